import { expect, test } from 'vitest';
import type { ReportedConnection } from '../../../src/api/meshgatewaynode.ts';
import type { ObjectKey } from '../../../src/api/resource.ts';
import { movedDevices, type OwnSession } from '../../../src/mesh/takeover/moved-devices.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';

const HERE = '203.0.113.2:40000' as Endpoint;
const MINUTE = 60_000;
const T0 = Date.parse('2026-08-01T12:00:00Z');
const at = (ms: number) => new Date(T0 + ms).toISOString();
const NEVER: OwnSession = { handshake: 0 };

function session(name: string, parts: Partial<ReportedConnection> = {}): ReportedConnection {
  return { peer: `team-a/${name}`, endpoint: HERE, lastHandshake: at(0), since: at(0), ...parts };
}

/** Whom flows from one endpoint are found to be, as `name`, with `!` for those whom this node has called before. */
function found(sessions: readonly ReportedConnection[], own: Readonly<Record<string, OwnSession>>): readonly string[] {
  const ownOf = (peer: ObjectKey) => own[peer.replace('team-a/', '')];
  const moved = movedDevices({ endpoints: new Set([HERE]), sessions, own: ownOf });
  return moved.map(({ peer, wasCalled }) => `${peer.replace('team-a/', '')}${wasCalled ? '!' : ''}`);
}

test('a device that another node reports at that endpoint has come here', () => {
  const [moved] = movedDevices({
    endpoints: new Set([HERE]),
    sessions: [session('ada', { byOtherKey: true })],
    own: () => NEVER,
  });
  const device = { peer: 'team-a/ada', endpoint: HERE, lastHandshake: at(0), byOtherKey: true };
  expect(moved).toEqual({ ...device, wasCalled: false });
});

test.each([
  ['one that is reported elsewhere has not', [session('ada', { endpoint: '203.0.113.2:40001' })], { ada: NEVER }, []],
  ['nor one that is not let in', [session('ada')], {}, []],
  ['nor one whose latest session is here', [session('ada')], { ada: { handshake: T0 + MINUTE } }, []],
  ['one with an older session here has', [session('ada')], { ada: { handshake: T0 - MINUTE } }, ['ada']],
  [
    'one that this node has called there is told apart',
    [session('ada')],
    { ada: { endpoint: HERE, handshake: 0 } },
    ['ada!'],
  ],
  [
    'one that it has called elsewhere is not',
    [session('ada')],
    { ada: { endpoint: '192.0.2.1:1', handshake: 0 } },
    ['ada'],
  ],
  ['all that are reported there have', [session('ada'), session('bob')], { ada: NEVER, bob: NEVER }, ['ada', 'bob']],
  [
    'one that two nodes report has once',
    [session('ada'), session('ada', { lastHandshake: at(MINUTE) })],
    { ada: NEVER },
    ['ada'],
  ],
] as const)('%s', (_, sessions, own, expected) => {
  expect(found(sessions, own)).toEqual(expected);
});

test('of two sessions of a device the later one tells by which key', () => {
  const sessions = [session('ada', { lastHandshake: at(MINUTE), byOtherKey: true }), session('ada')];
  const moved = movedDevices({ endpoints: new Set([HERE]), sessions, own: () => NEVER });
  expect(moved.map(({ byOtherKey }) => byOtherKey)).toEqual([true]);
});
