import { describe, expect, test } from 'vitest';
import type { ReportedConnection } from '../../../src/api/meshgatewaynode.ts';
import type { ObjectKey } from '../../../src/api/resource.ts';
import { timestamp } from '../../../src/api/timestamp.ts';
import type { SeenPeer } from '../../../src/mesh/sessions.ts';
import { type CallInput, dueCalls } from '../../../src/mesh/takeover/calls.ts';
import { SharedDevices } from '../../../src/mesh/takeover/shared-devices.ts';
import { aKey } from '../../support/builders.ts';

const at = (second: number) => timestamp(1_700_000_000_000 + second * 1_000);
const DEVICES = Array.from({ length: 40 }, (_, index) => `team-a/device-${index}`);
const connection = (peer: string): ReportedConnection => ({
  peer,
  endpoint: `198.51.100.7:${40_000 + DEVICES.indexOf(peer)}`,
  lastHandshake: at(100),
  since: at(0),
});

function calls(node: string, input: Partial<CallInput> = {}) {
  return dueCalls({
    node,
    lost: { node: 'node-a', connections: DEVICES.map(connection) },
    candidates: ['node-b', 'node-c', 'node-d'],
    sessionsOf: () => [],
    isLost: (other) => other === 'node-a',
    ...input,
  });
}

describe('devices of a lost node', () => {
  test('are each called by one candidate, where they were last', () => {
    const called = ['node-b', 'node-c', 'node-d'].flatMap((node) => calls(node));
    expect(called.map(({ peer }) => peer).sort()).toEqual([...DEVICES].sort());
    expect(called.every(({ peer, endpoint }) => endpoint === connection(peer).endpoint)).toBe(true);
  });

  test('are called by nobody where nobody may take over, nor by who may not', () => {
    expect(calls('node-b', { candidates: [] })).toEqual([]);
    expect(calls('node-e')).toEqual([]);
  });

  test.each<[string, string, number, boolean]>([
    ['has shaken hands with another node since', 'node-c', 150, false],
    ['had shaken hands with another node before', 'node-c', 50, true],
    ['has shaken hands since with a node that is lost too', 'node-x', 150, true],
    ['is known by the lost node alone', 'node-a', 100, true],
  ])('one that %s', (_, node, second, isCalled) => {
    const sessionsOf = (peer: ObjectKey) => (peer === DEVICES[0] ? [{ node, lastHandshake: at(second) }] : []);
    const isLost = (other: string) => ['node-a', 'node-x'].includes(other);
    const called = calls('node-b', { candidates: ['node-b'], sessionsOf, isLost });
    expect(called.some(({ peer }) => peer === DEVICES[0])).toBe(isCalled);
    expect(called).toHaveLength(isCalled ? 40 : 39);
  });

  test.each(['vpn.example.com:51840', '198.51.100.7', 'nonsense', '198.51.100.7:0'])(
    'one that is reported at %s, which is no address and port, is called by nobody: no name is looked up',
    (endpoint) => {
      const connections = [{ ...connection(DEVICES[0] as string), endpoint }, connection(DEVICES[1] as string)];
      const called = calls('node-b', { lost: { node: 'node-a', connections }, candidates: ['node-b'] });
      expect(called.map(({ peer }) => peer)).toEqual([DEVICES[1]]);
    },
  );

  test('are called by the key by which they came', () => {
    const connections = [{ ...connection(DEVICES[0] as string), byOtherKey: true }];
    const [call] = calls('node-b', { lost: { node: 'node-a', connections }, candidates: ['node-b'] });
    expect(call?.byOtherKey).toBe(true);
  });
});

describe('a device that came to another node', () => {
  const key = aKey('ada');
  const seen = (receivedBytes: number): ReadonlyMap<typeof key, SeenPeer> =>
    new Map([[key, { publicKey: key, allowedIPs: [], latestHandshake: 1, receivedBytes, sentBytes: 0 }]]);

  test('has gone once it has been silent here for a while', () => {
    const shared = new SharedDevices();
    shared.arrived([key]);
    expect(shared.gone(seen(500), 0)).toEqual([]);
    expect(shared.gone(seen(500), 399)).toEqual([]);
    expect(shared.gone(seen(500), 400)).toEqual([key]);
    expect(shared.gone(seen(500), 900)).toEqual([]);
  });

  test('has not when it is heard here afterwards', () => {
    const shared = new SharedDevices();
    shared.arrived([key]);
    shared.gone(seen(500), 0);
    expect(shared.gone(seen(532), 500)).toEqual([]);
    expect(shared.gone(seen(532), 5_000)).toEqual([]);
  });

  test('is none of this node’s business once it is let in no more', () => {
    const shared = new SharedDevices();
    shared.arrived([key]);
    expect([shared.gone(new Map(), 0), shared.gone(seen(1), 500), shared.gone(seen(1), 1_000)]).toEqual([[], [], []]);
  });
});
