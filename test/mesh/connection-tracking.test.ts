import { describe, expect, test } from 'vitest';
import { fullDevices, holders, isNearlyFull, trackingVerdict } from '../../src/mesh/connection-tracking.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { aMember, NOW } from '../support/builders.ts';

const most = 100_000;

describe('connection tracking is nearly full', () => {
  test.each<[number, boolean, boolean]>([
    [79_999, false, false],
    [80_000, false, true],
    [75_000, false, false],
    [75_000, true, true],
    [70_000, true, true],
    [69_999, true, false],
  ])('with %i of 100,000 entries, when it was before (%s): %s', (entries, before, now) => {
    expect(isNearlyFull({ entries, most }, before)).toBe(now);
  });

  test('never where it has no limit', () => {
    expect(isNearlyFull({ entries: 1_000_000, most: 0 }, false)).toBe(false);
  });
});

describe('of the devices of a node', () => {
  const device = (name: string, ...addresses: string[]) => aMember({ name, status: { addresses } });
  const devices = [
    device('ada', '10.213.0.16', 'fd5a:213::16'),
    device('bob', '10.213.0.17'),
    device('cyd', '10.213.0.18'),
  ];
  const table = peerTable('default', devices, NOW);
  const tracked = (counts: Readonly<Record<string, number>>) =>
    new Map(
      Object.entries(counts).map(
        ([address, entries]) => [address as IpAddress, { entries, open: entries / 2 }] as const,
      ),
    );

  test('who has most is told, by all of its addresses', () => {
    const counts = { '10.213.0.16': 20_000, 'fd5a:213::16': 5_000, '10.213.0.17': 40_000, '10.213.0.99': 30_000 };
    expect(holders(tracked(counts), { entries: 95_000, most }, table)).toEqual([
      { peer: 'team-a/bob', percent: 40 },
      { peer: 'team-a/ada', percent: 25 },
    ]);
  });

  test('nobody is told who has little', () => {
    expect(holders(tracked({ '10.213.0.18': 4_000 }), { entries: 95_000, most }, table)).toEqual([]);
  });

  test('those are full whose addresses together have as many open as they may', () => {
    const counts = { '10.213.0.16': 30, 'fd5a:213::16': 10, '10.213.0.17': 38, '10.213.0.99': 90 };
    expect(fullDevices(tracked(counts), 20, table)).toEqual([
      { peer: 'team-a/ada', addresses: ['10.213.0.16', 'fd5a:213::16'] },
    ]);
    const bob = { peer: 'team-a/bob' as never, addresses: ['10.213.0.17' as IpAddress] };
    const full = (limit: number) => fullDevices(tracked(counts), limit, table, [bob]).map(({ peer }) => peer);
    expect([full(21), full(22)]).toEqual([['team-a/bob'], []]);
  });
});

describe('a node that is nearly full', () => {
  const told = (percent: number | 'nobody looked' | 'nobody', entries = 90_000) => {
    const nobody = percent === 'nobody' ? [] : undefined;
    const found = typeof percent === 'string' ? nobody : [{ peer: 'team-a/bob' as never, percent }];
    const standing = { reading: { entries, most }, isNearlyFull: true, holders: found };
    return trackingVerdict(standing).message;
  };

  test('says who holds most, and which sysctl makes room', () => {
    expect(told(40)).toContain('team-a/bob has 40 %');
    expect(told(40)).toContain('sysctl -w net.netfilter.nf_conntrack_max=200000');
    expect(told(40)).toContain('spec.access.newConnectionsPerSecond');
    expect(told('nobody')).toContain('No device of this gateway');
    expect(told('nobody looked')).toContain('not known yet');
  });

  test('says the same while the number alone changes', () => {
    expect(told(40, 91_234)).toBe(told(40));
  });
});
