import { describe, expect, test } from 'vitest';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { OwnerQuota } from '../../src/mesh/owner-quota.ts';
import { aPeer, NOW } from '../support/builders.ts';

const device = (name: string, day: number, spec: object = {}) =>
  aPeer({ name, metadata: { creationTimestamp: `2026-01-0${day}T00:00:00Z` }, spec: { owner: 'ada', ...spec } });

function quotaOf(most: number | undefined, ...peers: readonly MeshPeer[]): OwnerQuota {
  const quota = new OwnerQuota(most);
  for (const peer of peers) quota.set(keyOf(peer.metadata), peer);
  return quota;
}

const names = (peers: readonly MeshPeer[] | undefined) => peers?.map(({ metadata }) => metadata.name);

describe('the quota of an owner', () => {
  const [first, second, third] = [device('c', 1), device('b', 2), device('a', 3)];

  test('lets the oldest in, whatever their names, and whoever was seen first', () => {
    for (const order of [
      [first, second, third],
      [third, second, first],
    ]) {
      const quota = quotaOf(2, ...order);
      expect(quota.ahead(first, NOW)).toBeUndefined();
      expect(quota.ahead(second, NOW)).toBeUndefined();
      expect(names(quota.ahead(third, NOW))).toEqual(['c', 'b']);
    }
  });

  test('is not touched by the devices of others, nor by those of nobody', () => {
    const others = [device('d', 1, { owner: 'bob' }), device('e', 1, { owner: undefined })];
    expect(quotaOf(1, ...others, second).ahead(second, NOW)).toBeUndefined();
    expect(quotaOf(1, first, ...others).ahead(device('e', 1, { owner: undefined }), NOW)).toBeUndefined();
  });

  test('does not count a device whose time is over, and counts one that is suspended', () => {
    const over = device('c', 1, { expiresAt: new Date(NOW - 1).toISOString() });
    expect(quotaOf(1, over, second).ahead(second, NOW)).toBeUndefined();
    expect(names(quotaOf(1, device('c', 1, { suspended: true }), second).ahead(second, NOW))).toEqual(['c']);
  });

  test('says who is to be decided anew when a device comes, goes, changes hands or expires, and nobody else', () => {
    const quota = quotaOf(1, first, second);
    const key = keyOf(first.metadata);
    expect([...quota.set(key, first)]).toEqual([]);
    expect([...quota.set(key, device('c', 1, { suspended: true }))]).toEqual([]);
    const expired = { ...first, status: { conditions: [{ ...CONDITION, reason: 'Expired' }] } };
    expect([...quota.set(key, expired)]).toEqual([keyOf(second.metadata)]);
    expect([...quota.set(key, device('c', 1, { owner: 'bob' }))]).toEqual([keyOf(second.metadata)]);
    expect([...quota.set(keyOf(third.metadata), third)]).toEqual([keyOf(second.metadata)]);
    expect([...quota.set(keyOf(third.metadata), undefined)]).toEqual([keyOf(second.metadata)]);
  });

  test('is none unless there is one', () => {
    expect(quotaOf(undefined, first, second, third).ahead(third, NOW)).toBeUndefined();
  });
});

const CONDITION = {
  ...{ type: 'Accepted', status: 'False' as const, message: '.', observedGeneration: 1 },
  lastTransitionTime: '2026-01-01T00:00:00Z',
};
