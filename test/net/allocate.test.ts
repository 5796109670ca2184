import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressFromValue, addressValue, type IpAddress } from '../../src/net/address.ts';
import { allocateAddress, gatewayAddress, isAllocatable, MAX_GATEWAYS, probeAddress } from '../../src/net/allocate.ts';
import { type Cidr, cidrContains, cidrRange, parseCidr } from '../../src/net/cidr.ts';
import { value } from './arbitraries.ts';

const WIDE = value(parseCidr('10.213.0.0/16'));
const NARROW = value(parseCidr('10.213.7.0/24'));
const ULA = value(parseCidr('fd5a:1::/48'));
const pools = fc.constantFrom<Cidr>(WIDE, NARROW, ULA, value(parseCidr('fd5a:1::/112')));
const owners = fc.tuple(fc.string(), fc.string()).map(([namespace, name]) => `${namespace}/${name}`);
const none = () => false;

/** Owners served one after the other. */
function allocateAll(pool: Cidr, names: readonly string[]): ReadonlyMap<string, IpAddress | undefined> {
  const taken = new Set<IpAddress>();
  return new Map(
    names.map((owner) => {
      const address = allocateAddress(pool, owner, (candidate) => taken.has(candidate));
      if (address !== undefined) taken.add(address);
      return [owner, address];
    }),
  );
}

describe('allocateAddress', () => {
  test('the addresses of some owners, for ever: a change here would move everybody', () => {
    expect(allocateAddress(WIDE, 'team-a/laptop', none)).toBe('10.213.214.116');
    expect(allocateAddress(ULA, 'team-a/laptop', none)).toBe('fd5a:1::c45c:3ed:ba54:a34d');
  });

  test('an owner gets an allocatable address of the pool, the same every time', () => {
    fc.assert(
      fc.property(pools, owners, (pool, owner) => {
        const address = allocateAddress(pool, owner, none);
        expect(address).toBeDefined();
        if (address === undefined) return;
        expect(cidrContains(pool, address)).toBe(true);
        expect(isAllocatable(pool, addressValue(address))).toBe(true);
        expect(allocateAddress(pool, owner, none)).toBe(address);
      }),
    );
  });

  test('a taken address is passed over for the next free one, around the end of the pool', () => {
    fc.assert(
      fc.property(pools, owners, fc.integer({ min: 1, max: 50 }), (pool, owner, count) => {
        const taken = new Set<IpAddress>();
        for (let round = 0; round < count; round++) {
          const address = allocateAddress(pool, owner, (candidate) => taken.has(candidate));
          expect(address === undefined || taken.has(address)).toBe(false);
          if (address !== undefined) taken.add(address);
        }
        const values = [...taken].map(addressValue);
        const jumps = values.slice(1).filter((next, index) => next !== (values[index] ?? 0n) + 1n);
        expect(jumps.length).toBeLessThanOrEqual(1);
      }),
    );
  });

  test('a full pool has none left, and not one too few', () => {
    const names = Array.from({ length: 256 - 16 - 1 }, (_, index) => `a/${index}`);
    const given = [...allocateAll(NARROW, names).values()];
    expect(new Set(given).size).toBe(239);
    expect(given).not.toContain(undefined);
    const taken = new Set(given);
    expect(allocateAddress(NARROW, 'a/late', (address) => taken.has(address))).toBeUndefined();
    const freed = given[100];
    taken.delete(freed);
    expect(allocateAddress(NARROW, 'a/late', (address) => taken.has(address))).toBe(freed);
  });

  test('a pool without room for peers has none', () => {
    expect(allocateAddress(value(parseCidr('10.0.0.0/28')), 'a/b', none)).toBeUndefined();
    expect(allocateAddress(value(parseCidr('10.0.0.0/32')), 'a/b', none)).toBeUndefined();
    expect(allocateAddress(value(parseCidr('fd00::/124')), 'a/b', none)).toBeUndefined();
    expect(allocateAddress(value(parseCidr('fd00::/123')), 'a/b', none)).toBeDefined();
  });

  test('who does not collide does not depend on the others', () => {
    const names = Array.from({ length: 200 }, (_, index) => `team-${index % 7}/device-${index}`);
    const forward = allocateAll(WIDE, names);
    const backward = allocateAll(WIDE, names.toReversed());
    const moved = names.filter((name) => forward.get(name) !== backward.get(name));
    expect(moved.length).toBeLessThanOrEqual(10);
  });

  test('ten thousand owners are served well within a second', () => {
    const names = Array.from({ length: 10_000 }, (_, index) => `team-a/device-${index}`);
    const started = performance.now();
    expect(new Set(allocateAll(WIDE, names).values()).size).toBe(10_000);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('reserved addresses', () => {
  test('the start of a pool and an IPv4 broadcast address are nobody’s', () => {
    for (const pool of [WIDE, NARROW]) {
      const { first, last } = cidrRange(pool);
      const ends = [first - 1n, first, first + 15n, first + 16n, last - 1n, last, last + 1n];
      expect(ends.map((number) => isAllocatable(pool, number))).toEqual([
        false,
        false,
        false,
        true,
        true,
        false,
        false,
      ]);
    }
    expect(isAllocatable(ULA, cidrRange(ULA).last)).toBe(true);
  });

  test('gateways and the probe peer have different ones, none of them a peer’s', () => {
    for (const pool of [WIDE, NARROW, ULA]) {
      const gateways = Array.from({ length: MAX_GATEWAYS }, (_, index) => gatewayAddress(pool, index));
      const reserved = [...gateways, probeAddress(pool)];
      expect(new Set(reserved).size).toBe(15);
      expect(reserved.every((address) => cidrContains(pool, address))).toBe(true);
      expect(reserved.some((address) => isAllocatable(pool, addressValue(address)))).toBe(false);
      expect(gateways[0]).toBe(addressFromValue(cidrRange(pool).family, cidrRange(pool).first + 1n));
    }
  });

  test.each([-1, MAX_GATEWAYS, Number.NaN])('there is no gateway number %s', (index) => {
    expect(() => gatewayAddress(WIDE, index)).toThrow(RangeError);
  });
});
