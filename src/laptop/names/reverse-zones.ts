import { addressBits, type Family } from '../../net/address.ts';
import { type Cidr, cidrFamily, cidrLength, cidrRange } from '../../net/cidr.ts';

/** How many bits of an address a label of a reverse name stands for (RFC 1035, section 3.5; RFC 3596, section 2.5). */
const LABEL_BITS = { 4: 8, 6: 4 } as const;
const ROOT = { 4: 'in-addr.arpa', 6: 'ip6.arpa' } as const;

/** The domains below which the reverse names of exactly these addresses are: one where a label ends with the prefix, else up to 128. */
export function reverseZones(cidr: Cidr): readonly string[] {
  const family = cidrFamily(cidr);
  const bits = LABEL_BITS[family];
  const labels = Math.ceil(cidrLength(cidr) / bits);
  const count = 2 ** (labels * bits - cidrLength(cidr));
  const rest = BigInt(addressBits(family) - labels * bits);
  const first = cidrRange(cidr).first >> rest;
  return Array.from({ length: count }, (_, index) => zone(family, first + BigInt(index), labels));
}

function zone(family: Family, value: bigint, labels: number): string {
  const bits = LABEL_BITS[family];
  const parts = Array.from({ length: labels }, (_, index) => {
    const label = (value >> BigInt(index * bits)) & ((1n << BigInt(bits)) - 1n);
    return label.toString(family === 4 ? 10 : 16);
  });
  return [...parts, ROOT[family]].join('.');
}
