import { expect, test } from 'vitest';
import { Takeover } from '../../src/agent/takeover.ts';
import type { MeshGatewayNode } from '../../src/api/meshgatewaynode.ts';
import { Cache } from '../../src/k8s/store.ts';
import { aCondition, aKey, aReport, aServedGateway } from '../support/builders.ts';
import { ManualClock } from '../support/fake-clock.ts';

const ALL = ['InterfaceUp', 'Programmed', 'ServicesReachable'];
function report(node: string, well: boolean, released: readonly string[] = []): MeshGatewayNode {
  const conditions = ALL.map((type) => aCondition(type, well || type !== 'ServicesReachable' ? 'True' : 'False'));
  const connections = released.map((name) => ({
    peer: `team-a/${name}`,
    endpoint: '198.51.100.7:40000',
    lastHandshake: '2026-01-01T00:00:00Z',
    since: '2026-01-01T00:00:00Z',
    released: true as const,
  }));
  return aReport({ node, status: { conditions, connections } as never }).report;
}

test('a node that lets go while another one’s devices are being called is called from, too', async () => {
  const clock = new ManualClock();
  const reports = new Cache<MeshGatewayNode>(() => undefined);
  const called: string[][] = [];
  const gates: (() => void)[] = [];
  const looks: string[] = [];
  const quiet = { info() {}, warn() {}, error() {}, debug() {} } as never;
  const takeover = new Takeover({
    gateway: 'default',
    node: 'node-a',
    reports,
    identity: { publicKey: aKey('a'), addresses: [] },
    ask: (async () => undefined) as never,
    sync: {
      gateway: aServedGateway(),
      names: { device: 'wg-default', other: 'wg-default_2', table: 't' },
      table: { keysOf: (peer: string) => [aKey(peer)], isInUse: () => true } as never,
      topology: () => undefined,
      observedPeers: new Map(),
      takeAskers: () => undefined,
      callPeers: async (calls: readonly { publicKey: string }[]) => {
        called.push(calls.map(({ publicKey }) => publicKey));
        await new Promise<void>((resolve) => gates.push(resolve));
      },
      forgetSessions: async () => undefined,
      forgetCalls: async () => undefined,
    } as never,
    clock,
    log: quiet,
    events: { record: () => undefined, flush: async () => undefined },
    reachesServices: () => true,
    onUnwell: () => undefined,
    onNews: () => undefined,
    onDue: (look) => looks.push(look),
  });
  const ending = new AbortController();
  takeover.start(ending.signal);
  reports.put(report('node-a', true));
  reports.put(report('node-c', false));
  reports.put(report('node-b', false, ['ada']));
  const first = takeover.act();
  await clock.advance(0);
  expect(called).toEqual([[aKey('team-a/ada')]]);
  // While that is under way, which takes 30 ms for each hundred devices, another node lets go.
  reports.put(report('node-c', false, ['bob']));
  expect(looks.at(-1)).toBe('calls');
  gates.shift()?.();
  await first;
  // The look that it has asked for.
  const second = takeover.act();
  await clock.advance(0);
  gates.shift()?.();
  await second;
  expect(called.flat()).toContain(aKey('team-a/bob'));
  ending.abort();
});
