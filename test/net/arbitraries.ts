import fc from 'fast-check';
import { addressBits, addressFromValue, type Family, type IpAddress } from '../../src/net/address.ts';
import { type Cidr, parseCidr } from '../../src/net/cidr.ts';
import type { Parsed } from '../../src/net/parsed.ts';

/** Both families alike. */
export const families: fc.Arbitrary<Family> = fc.constantFrom(4, 6);

/** Addresses of a family, with many zero groups among those of IPv6, where spellings differ. */
export function addressesOf(family: Family): fc.Arbitrary<IpAddress> {
  const parts = family === 4 ? 4 : 8;
  const bits = addressBits(family) / parts;
  const part = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 2 ** bits - 1 }));
  return fc
    .array(part, { minLength: parts, maxLength: parts })
    .map((values) => values.reduce((sum, value) => (sum << BigInt(bits)) | BigInt(value), 0n))
    .filter((value) => family === 4 || value >> 32n !== 0xffffn)
    .map((value) => addressFromValue(family, value));
}

/** Addresses of both families. */
export const addresses: fc.Arbitrary<IpAddress> = families.chain(addressesOf);

/** Prefixes of a family, close to each other, so that they often overlap. */
export function cidrsOf(family: Family): fc.Arbitrary<Cidr> {
  const bits = addressBits(family);
  return fc.tuple(fc.integer({ min: 0, max: 255 }), fc.integer({ min: bits - 8, max: bits })).map(([low, length]) => {
    const base = family === 4 ? 0x0a000000n : 0xfd00n << 112n;
    const host = BigInt(bits - length);
    return value(parseCidr(`${addressFromValue(family, base + ((BigInt(low) >> host) << host))}/${length}`));
  });
}

/** Prefixes of both families. */
export const cidrs: fc.Arbitrary<Cidr> = families.chain(cidrsOf);

/** The value of what must have been parsed. @throws {Error} with the problem. */
export function value<T>(result: Parsed<T>): T {
  if (!result.ok) throw new Error(result.problem);
  return result.value;
}
