import { describe, expect, test } from 'vitest';
import type { ObservedPeer } from '../../src/dataplane/wireguard/device.ts';
import { countPeers } from '../../src/mesh/peer-census.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import { PeerTraffic } from '../../src/mesh/peer-traffic.ts';
import type { SeenPeer } from '../../src/mesh/sessions.ts';
import { aKey, aMember, NOW } from '../support/builders.ts';

const NAMES = ['ada', 'bob', 'cyd', 'dan', 'eve', 'fay'];
const table = peerTable(
  'default',
  NAMES.map((name, index) => aMember({ name, address: `10.213.0.${20 + index}` })),
  NOW,
);

function seen(name: string, parts: Partial<SeenPeer> = {}): SeenPeer {
  const none: ObservedPeer = {
    publicKey: aKey(`team-a/${name}`),
    allowedIPs: [],
    latestHandshake: 0,
    receivedBytes: 0,
    sentBytes: 0,
  };
  return { ...none, ...parts };
}

const shaken = (name: string, ageSeconds: number) => seen(name, { latestHandshake: NOW / 1_000 - ageSeconds });
const among = (...peers: readonly SeenPeer[]) => new Map(peers.map((peer) => [peer.publicKey, peer]));

describe('the census of a node', () => {
  test('counts each device once, by its session and by the age of its handshake', () => {
    const peers = [
      shaken('ada', 0),
      shaken('bob', 179),
      shaken('cyd', 181),
      shaken('dan', 3_600),
      shaken('eve', 90_000),
      seen('fay'),
    ];
    expect(countPeers(among(...peers), table, NOW)).toEqual({
      states: { connected: 2, idle: 3, never: 1 },
      ages: { under_3m: 2, under_1h: 1, under_1d: 1, older: 1 },
    });
  });

  test('leaves out whom no resource stands for, such as the probe', () => {
    expect(countPeers(among(shaken('probe', 1)), table, NOW).states).toEqual({ connected: 0, idle: 0, never: 6 });
  });

  test('counts a handshake that a clock has put into the future as young, and as no session', () => {
    const { states, ages } = countPeers(among(shaken('ada', -3_600)), table, NOW);
    expect([states.idle, ages.under_3m]).toEqual([1, 1]);
  });
});

describe('the traffic of a node', () => {
  const bytes = (name: string, receivedBytes: number, sentBytes: number, parts: Partial<SeenPeer> = {}) =>
    seen(name, { receivedBytes, sentBytes, ...parts });

  test('is what has come since the last look, and nothing at the first', () => {
    const traffic = new PeerTraffic();
    expect(traffic.take(among(bytes('ada', 1_000, 500)))).toEqual({ received: 0, sent: 0 });
    expect(traffic.take(among(bytes('ada', 1_100, 520), bytes('bob', 7, 8)))).toEqual({ received: 107, sent: 28 });
  });

  test('takes a smaller counter for one that began anew, as with a new interface', () => {
    const traffic = new PeerTraffic();
    traffic.take(among(bytes('ada', 1_000, 500)));
    expect(traffic.take(among(bytes('ada', 30, 20)))).toEqual({ received: 30, sent: 20 });
  });

  test('does not shrink when a device goes', () => {
    const traffic = new PeerTraffic();
    traffic.take(among(bytes('ada', 1_000, 500), bytes('bob', 1, 1)));
    expect(traffic.take(among(bytes('bob', 2, 1)))).toEqual({ received: 1, sent: 0 });
  });

  test('knows the counters of both interfaces of a device, between which it goes back and forth', () => {
    const traffic = new PeerTraffic();
    traffic.take(among(bytes('ada', 1_000, 500)));
    const other = { isByOtherKey: true } as const;
    expect(traffic.take(among(bytes('ada', 40, 30, other)))).toEqual({ received: 40, sent: 30 });
    expect(traffic.take(among(bytes('ada', 1_001, 500)))).toEqual({ received: 1, sent: 0 });
  });
});
