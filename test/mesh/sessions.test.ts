import { describe, expect, test } from 'vitest';
import type { ReportedConnection } from '../../src/api/meshgatewaynode.ts';
import { timestamp } from '../../src/api/timestamp.ts';
import type { ObservedPeer } from '../../src/dataplane/wireguard/device.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import { HANDSHAKE_LAG_MS, liveSessions } from '../../src/mesh/sessions.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { aKey, aMember, NOW } from '../support/builders.ts';

const table = peerTable('default', [aMember({ name: 'ada' }), aMember({ name: 'bob', address: '10.213.0.21' })], NOW);

function seen(name: string, ageSeconds: number, parts: Partial<ObservedPeer> = {}): ObservedPeer {
  return {
    publicKey: aKey(`team-a/${name}`),
    allowedIPs: [],
    endpoint: '198.51.100.7:40000' as Endpoint,
    latestHandshake: NOW / 1000 - ageSeconds,
    receivedBytes: 1,
    sentBytes: 1,
    ...parts,
  };
}

function told(peers: readonly ObservedPeer[], before: readonly ReportedConnection[] = []) {
  return liveSessions(peers, table, before, NOW);
}

const at = (ageSeconds: number) => timestamp(NOW - ageSeconds * 1000);

describe('live sessions', () => {
  test('are those with a handshake of the last three minutes, by peer', () => {
    expect(told([seen('bob', 180), seen('ada', 0)])).toEqual([
      { peer: 'team-a/ada', endpoint: '198.51.100.7:40000', lastHandshake: at(0), since: at(0) },
      { peer: 'team-a/bob', endpoint: '198.51.100.7:40000', lastHandshake: at(180), since: at(180) },
    ]);
  });

  test.each([
    ['an older handshake', seen('ada', 181)],
    ['no handshake ever', seen('ada', 0, { latestHandshake: 0 })],
    ['no endpoint', seen('ada', 0, { endpoint: undefined })],
    ['no MeshPeer', seen('stranger', 0)],
    ['a handshake long after now, which a clock left behind that ran ahead', seen('ada', -3600)],
  ])('are not those with %s', (_what, peer) => {
    expect(told([peer])).toEqual([]);
  });

  test('may be a little ahead of now, as two looks at a clock are', () => {
    expect(told([seen('ada', -1)])).toHaveLength(1);
  });

  const [before] = told([seen('ada', 170)]);
  if (before === undefined) throw new Error('no session');

  test('keep their beginning, and the told handshake while it is not minutes old', () => {
    expect(told([seen('ada', 5)], [before])).toEqual([before]);
    const old = { ...before, lastHandshake: timestamp(NOW - HANDSHAKE_LAG_MS) };
    expect(told([seen('ada', 0)], [old])).toEqual([{ ...before, lastHandshake: at(0) }]);
  });

  test('tell all handshakes anew as soon as one is minutes old, so that a thousand cost one report', () => {
    const old = { ...before, lastHandshake: timestamp(NOW - HANDSHAKE_LAG_MS) };
    const [bob] = told([seen('bob', 100)]);
    if (bob === undefined) throw new Error('no session');
    const both = [seen('ada', 5), seen('bob', 10)];
    expect(told(both, [before, bob])).toEqual([before, bob]);
    expect(told([seen('ada', 0), seen('bob', 10)], [old, bob]).map(({ lastHandshake }) => lastHandshake)).toEqual([
      at(0),
      at(10),
    ]);
    const roamed = told([seen('ada', 5, { endpoint: '198.51.100.8:1' as Endpoint }), seen('bob', 10)], [before, bob]);
    expect(roamed.map(({ lastHandshake }) => lastHandshake)).toEqual([at(5), bob.lastHandshake]);
  });

  test('tell each handshake of a device that another node has too', () => {
    const others = { isShared: (peer: string) => peer === 'team-a/ada', isReleased: () => false };
    const sessions = liveSessions(
      [seen('ada', 5), seen('bob', 10)],
      table,
      [before, ...told([seen('bob', 100)])],
      NOW,
      others,
    );
    expect(sessions.map(({ lastHandshake }) => lastHandshake)).toEqual([at(5), at(100)]);
  });

  test('tell a handshake anew when the endpoint moved or the clock was set back', () => {
    const moved = seen('ada', 5, { endpoint: '198.51.100.8:1' as Endpoint });
    expect(told([moved], [before])).toEqual([{ ...before, endpoint: '198.51.100.8:1', lastHandshake: at(5) }]);
    const ahead = { ...before, lastHandshake: at(-7200) };
    expect(told([seen('ada', 5)], [ahead])).toEqual([{ ...before, lastHandshake: at(5) }]);
  });
});
