import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressBits,
  addressesIn,
  addressFamily,
  addressFromValue,
  addressValue,
  parseAddress,
} from '../../src/net/address.ts';
import { anyText } from '../support/any-text.ts';
import { addresses, addressesOf, families, value } from './arbitraries.ts';

describe('parseAddress', () => {
  test.each([
    ['10.213.0.20', '10.213.0.20'],
    ['0.0.0.0', '0.0.0.0'],
    ['255.255.255.255', '255.255.255.255'],
    ['FD00::A', 'fd00::a'],
    ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['1:0:0:2:0:0:3:4', '1::2:0:0:3:4'],
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['::1', '::1'],
    ['64:ff9b::1.2.3.4', '64:ff9b::102:304'],
    ['::1.2.3.4', '::102:304'],
  ])('%s is %s', (text, canonical) => {
    expect(parseAddress(text)).toEqual({ ok: true, value: canonical });
  });

  test.each([
    '',
    ' ',
    '1',
    '10.1',
    '10.1.2',
    '10.0.0.1.2',
    '010.0.0.1',
    '10.0.0.01',
    '0x7f.0.0.1',
    '10.0.0.256',
    '10.0.0.-1',
    '10.0.0.1/32',
    ' 10.0.0.1',
    '10.0.0.1 ',
    '10.0.0.1\n',
    '10.0.0.1\0',
    '١٠.0.0.1',
    ':',
    ':::',
    '1::2::3',
    '12345::',
    'g::',
    '[::1]',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '::1.2.3.04',
    'fe80::1%eth0',
    'fe80::1%',
    '::ffff:1.2.3.4',
    '::FFFF:0102:0304',
    '0:0:0:0:0:ffff:0:0',
  ])('%j is refused, and the problem quotes it', (text) => {
    const result = parseAddress(text);
    expect(result).toMatchObject({ ok: false });
    expect(!result.ok && result.problem).toContain(`"${text}"`);
  });

  test('huge text is refused quickly, and the problem stays short', () => {
    for (const text of ['1'.repeat(5_000_000), ':'.repeat(5_000_000), '1.'.repeat(2_500_000)]) {
      const result = parseAddress(text);
      expect(!result.ok && result.problem.length).toBeLessThan(200);
    }
  });

  test('a canonical spelling is left as it is', () => {
    fc.assert(fc.property(addresses, (address) => value(parseAddress(address)) === address));
  });

  test('IPv6 is spelt as in a URL, an independent implementation of RFC 5952', () => {
    fc.assert(
      fc.property(addressesOf(6), (address) => {
        expect(new URL(`http://[${address}]/`).hostname).toBe(`[${address}]`);
      }),
    );
  });

  test('every spelling of an IPv6 address becomes the same text', () => {
    fc.assert(
      fc.property(addressesOf(6), fc.boolean(), fc.integer({ min: 1, max: 4 }), (address, upper, width) => {
        const groups = Array.from(
          { length: 8 },
          (_, index) => (addressValue(address) >> BigInt(112 - 16 * index)) & 0xffffn,
        );
        const text = groups.map((group) => group.toString(16).padStart(width, '0')).join(':');
        expect(value(parseAddress(upper ? text.toUpperCase() : text))).toBe(address);
      }),
    );
  });

  test('no text makes it throw', () => {
    fc.assert(fc.property(anyText(), (text) => typeof parseAddress(text).ok === 'boolean'));
    const near = fc.string({ unit: fc.constantFrom(...'0123456789abcdef:.%/[] x') });
    fc.assert(fc.property(near, (text) => typeof parseAddress(text).ok === 'boolean'));
  });
});

describe('addresses as numbers', () => {
  test('the number and the family make the address again', () => {
    fc.assert(
      fc.property(addresses, (address) => addressFromValue(addressFamily(address), addressValue(address)) === address),
    );
  });

  test.each([
    [4, 0n, '0.0.0.0'],
    [4, 0xffffffffn, '255.255.255.255'],
    [4, 0x0ad50014n, '10.213.0.20'],
    [6, 1n, '::1'],
    [6, 2n ** 128n - 1n, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ] as const)('IPv%s %s is %s', (family, number, text) => {
    expect(addressFromValue(family, number)).toBe(text);
    expect(addressValue(text as Parameters<typeof addressValue>[0])).toBe(number);
  });

  test('a number outside the family throws', () => {
    fc.assert(
      fc.property(families, (family) => {
        expect(() => addressFromValue(family, 2n ** BigInt(addressBits(family)))).toThrow(RangeError);
        expect(() => addressFromValue(family, -1n)).toThrow(RangeError);
      }),
    );
  });
});

test('addressesIn keeps what is an address', () => {
  expect(addressesIn(['10.0.0.1', '10.0.0.01', 'FD00::1', ''])).toEqual(['10.0.0.1', 'fd00::1']);
});
