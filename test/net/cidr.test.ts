import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addressBits, addressFamily, addressFromValue, type IpAddress } from '../../src/net/address.ts';
import {
  type Cidr,
  cidrBase,
  cidrContains,
  cidrFamily,
  cidrLength,
  cidrRange,
  cidrsHolding,
  cidrsIn,
  cidrsOverlap,
  compareCidrs,
  coveringCidr,
  hostCidr,
  normalizeCidrs,
  parseCidr,
} from '../../src/net/cidr.ts';
import { addresses, cidrs, cidrsOf, families, value } from './arbitraries.ts';

describe('parseCidr', () => {
  test.each([
    ['10.96.0.0/12', '10.96.0.0/12'],
    ['0.0.0.0/0', '0.0.0.0/0'],
    ['10.0.0.1/32', '10.0.0.1/32'],
    ['FD00:0::/8', 'fd00::/8'],
    ['::/0', '::/0'],
    ['::1/128', '::1/128'],
  ])('%s is %s', (text, canonical) => {
    expect(parseCidr(text)).toEqual({ ok: true, value: canonical });
  });

  test.each([
    '',
    '/',
    '/8',
    '10.0.0.0',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/99',
    '10.0.0.0/08',
    '10.0.0.0/+8',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    '10/8',
    '10.0.0.999/24',
    '010.0.0.0/8',
    ' 10.0.0.0/8',
    '10.0.0.0 /8',
    '10.0.0.0/8\n',
    '::/129',
    'fe80::%eth0/64',
    '::ffff:10.0.0.0/104',
  ])('%j is refused', (text) => {
    expect(parseCidr(text)).toMatchObject({ ok: false });
  });

  test('host bits are refused with what was probably meant', () => {
    expect(parseCidr('10.96.1.2/12')).toEqual({
      ok: false,
      problem: '"10.96.1.2/12" has host bits set; write 10.96.0.0/12',
    });
    expect(parseCidr('fd00::1/64')).toMatchObject({ problem: expect.stringContaining('write fd00::/64') });
  });

  test('huge text is refused quickly', () => {
    for (const text of ['1'.repeat(5_000_000), '/'.repeat(5_000_000), `10.0.0.0/${'0'.repeat(5_000_000)}`])
      expect(parseCidr(text).ok).toBe(false);
  });

  test('every address and length is a prefix, or names the prefix it lies in', () => {
    fc.assert(
      fc.property(addresses, fc.nat(128), (address, number) => {
        const length = number % (addressBits(addressFamily(address)) + 1);
        const result = parseCidr(`${address}/${length}`);
        const cidr = result.ok ? result.value : value(parseCidr(result.problem.split('write ')[1] ?? ''));
        expect(cidrContains(cidr, address)).toBe(true);
        expect(cidrLength(cidr)).toBe(length);
        expect(result.ok).toBe(cidrBase(cidr) === address);
      }),
    );
  });

  test('ten thousand prefixes take well under a second', () => {
    const texts = Array.from(
      { length: 10_000 },
      (_, index) => `${addressFromValue(index % 2 === 0 ? 4 : 6, BigInt(index) << 16n)}`,
    );
    const started = performance.now();
    for (const text of texts) parseCidr(`${text}/${text.includes(':') ? 128 : 32}`);
    expect(performance.now() - started).toBeLessThan(1_000);
  });
});

describe('ranges', () => {
  test('a range has as many addresses as its length says, and its first is the base', () => {
    fc.assert(
      fc.property(cidrs, (cidr) => {
        const { family, first, last } = cidrRange(cidr);
        expect(family).toBe(cidrFamily(cidr));
        expect(addressFromValue(family, first)).toBe(cidrBase(cidr));
        expect(last - first + 1n).toBe(2n ** BigInt(addressBits(family) - cidrLength(cidr)));
      }),
    );
  });

  test('an address lies in its own host prefix and in no other one', () => {
    fc.assert(
      fc.property(addresses, addresses, (one, other) => {
        expect(cidrContains(hostCidr(one), one)).toBe(true);
        expect(cidrContains(hostCidr(one), other)).toBe(one === other);
      }),
    );
  });

  test('prefixes overlap if and only if one holds the other’s base', () => {
    fc.assert(
      fc.property(cidrs, cidrs, (one, other) => {
        const nested = cidrContains(one, cidrBase(other)) || cidrContains(other, cidrBase(one));
        expect(cidrsOverlap(one, other)).toBe(nested);
        expect(cidrsOverlap(other, one)).toBe(nested);
      }),
    );
  });

  test('families never overlap', () => {
    expect(cidrsOverlap('0.0.0.0/0' as Cidr, '::/0' as Cidr)).toBe(false);
    expect(cidrContains('::/0' as Cidr, value(parseCidr('10.0.0.0/32')).split('/')[0] as never)).toBe(false);
  });
});

describe('normalizeCidrs', () => {
  test('an example', () => {
    const texts = ['fd00::/8', '10.1.0.0/16', '10.0.0.0/8', '10.0.0.0/8', '9.0.0.0/8', 'fd00::1/128'];
    expect(normalizeCidrs(cidrsIn(texts))).toEqual(['9.0.0.0/8', '10.0.0.0/8', 'fd00::/8']);
  });

  test('the result is sorted, disjoint, part of the input and covers the same', () => {
    fc.assert(
      fc.property(fc.array(cidrs), (input) => {
        const output = normalizeCidrs(input);
        expect([...output].sort(compareCidrs)).toEqual(output);
        for (const [index, cidr] of output.entries())
          expect(output.some((other, place) => place !== index && cidrsOverlap(cidr, other))).toBe(false);
        expect(output.every((cidr) => input.includes(cidr))).toBe(true);
        for (const cidr of input)
          expect(
            output.some((kept) => cidrContains(kept, cidrBase(cidr)) && cidrLength(kept) <= cidrLength(cidr)),
          ).toBe(true);
      }),
    );
  });

  test('the order of the input does not matter, and a second time changes nothing', () => {
    fc.assert(
      fc.property(fc.array(cidrs), (input) => {
        const output = normalizeCidrs(input);
        expect(normalizeCidrs(input.toReversed())).toEqual(output);
        expect(normalizeCidrs(output)).toEqual(output);
      }),
    );
  });
});

test('compareCidrs is a total order', () => {
  fc.assert(
    fc.property(cidrs, cidrs, cidrs, (a, b, c) => {
      expect(Math.sign(compareCidrs(a, b))).toBe(-Math.sign(compareCidrs(b, a)) + 0);
      expect(compareCidrs(a, b) === 0).toBe(a === b);
      if (compareCidrs(a, b) <= 0 && compareCidrs(b, c) <= 0) expect(compareCidrs(a, c)).toBeLessThanOrEqual(0);
    }),
  );
});

test('the whole of a family is one range', () => {
  fc.assert(
    fc.property(families, (family) => {
      const all = value(parseCidr(family === 4 ? '0.0.0.0/0' : '::/0'));
      expect(cidrRange(all)).toEqual({ family, first: 0n, last: 2n ** BigInt(addressBits(family)) - 1n });
    }),
  );
});

describe('the prefix that covers others', () => {
  test.each([
    ['10.213.0.3/32', ['10.213.0.3/32']],
    ['10.213.0.0/25', ['10.213.0.100/32', '10.213.0.3/32']],
    ['10.0.0.0/8', ['10.213.0.0/16', '10.1.0.0/16', '10.213.0.3/32']],
    ['0.0.0.0/0', ['10.213.0.0/16', '192.168.7.0/24']],
    ['fd5a:213::10/125', ['fd5a:213::11/128', 'fd5a:213::16/128']],
    [undefined, []],
  ])('%s is the narrowest of %j', (expected, cidrs) => {
    expect(coveringCidr(cidrs as Cidr[])).toBe(expected);
  });

  test('holds all of them, and no half of it does', () => {
    const some = families.chain((family) =>
      fc.array(
        cidrs.filter((cidr) => cidrFamily(cidr) === family),
        { minLength: 1 },
      ),
    );
    fc.assert(
      fc.property(some, (all) => {
        const whole = coveringCidr(all) as Cidr;
        expect(normalizeCidrs([whole, ...all])).toEqual([whole]);
        const { first, last } = cidrRange(whole);
        const middle = (first + last) / 2n;
        const isHalf =
          all.every((cidr) => cidrRange(cidr).last <= middle) || all.every((cidr) => cidrRange(cidr).first > middle);
        expect(first !== last && isHalf).toBe(false);
      }),
    );
  });
});

describe('cidrsHolding', () => {
  const near = families.chain((family) => fc.uniqueArray(cidrsOf(family).map(cidrBase), { minLength: 1 }));

  test('holds all of them and none of the others, and no two of its prefixes could be one', () => {
    fc.assert(
      fc.property(near, fc.nat(), (all, number) => {
        const [wanted, others] = [all.slice(number % all.length), all.slice(0, number % all.length)];
        const found = cidrsHolding(wanted, others);
        const held = (address: (typeof all)[number]) => found.filter((cidr) => cidrContains(cidr, address)).length;
        expect(wanted.map(held)).toEqual(wanted.map(() => 1));
        expect(others.map(held)).toEqual(others.map(() => 0));
        for (const [index, cidr] of found.entries()) {
          const both = coveringCidr(found.slice(index, index + 2)) as Cidr;
          expect(both === cidr || others.some((address) => cidrContains(both, address))).toBe(true);
        }
      }),
    );
  });

  test('holds an address by itself that is also among the others', () => {
    expect(cidrsHolding(['10.0.0.1', '10.0.0.2'] as IpAddress[], ['10.0.0.1'] as IpAddress[])).toEqual([
      '10.0.0.1/32',
      '10.0.0.2/32',
    ]);
  });
});
