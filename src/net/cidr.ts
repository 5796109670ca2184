import {
  addressBits,
  addressFamily,
  addressFromValue,
  addressValue,
  type Family,
  type IpAddress,
  parseAddress,
} from './address.ts';
import { type Parsed, parsed, quoted, refused } from './parsed.ts';

/** A prefix in canonical spelling with no host bits set, such as `10.96.0.0/12`. Equal prefixes are equal strings. */
export type Cidr = string & { readonly __cidr: never };

/** The addresses of a prefix as numbers, both ends included. */
export interface AddressRange {
  readonly family: Family;
  readonly first: bigint;
  readonly last: bigint;
}

/** A prefix; host bits and a missing or odd length are refused with the spelling that was probably meant. */
export function parseCidr(text: string): Parsed<Cidr> {
  const match = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text);
  if (match === null) return refused(`${quoted(text)} is not a CIDR such as 10.96.0.0/12`);
  const address = parseAddress(match[1] ?? '');
  if (!address.ok) return address;
  const family = addressFamily(address.value);
  const length = Number(match[2]);
  if (length > addressBits(family))
    return refused(`${quoted(text)} has a prefix longer than ${addressBits(family)} bits`);
  const value = addressValue(address.value);
  const base = clearHostBits(family, value, length);
  if (base !== value)
    return refused(`${quoted(text)} has host bits set; write ${addressFromValue(family, base)}/${length}`);
  return parsed(`${address.value}/${length}` as Cidr);
}

/** Those of the texts that are prefixes; for texts that were checked when they were stored. */
export function cidrsIn(texts: readonly string[]): readonly Cidr[] {
  return texts.flatMap((text) => {
    const cidr = parseCidr(text);
    return cidr.ok ? [cidr.value] : [];
  });
}

/** The prefix that holds exactly this address: /32 or /128. */
export function hostCidr(address: IpAddress): Cidr {
  return `${address}/${addressBits(addressFamily(address))}` as Cidr;
}

export function cidrFamily(cidr: Cidr): Family {
  return cidr.includes(':') ? 6 : 4;
}

export function cidrLength(cidr: Cidr): number {
  return Number(cidr.slice(cidr.indexOf('/') + 1));
}

/** The first address of the prefix. */
export function cidrBase(cidr: Cidr): IpAddress {
  return cidr.slice(0, cidr.indexOf('/')) as IpAddress;
}

export function cidrRange(cidr: Cidr): AddressRange {
  const family = cidrFamily(cidr);
  const first = addressValue(cidrBase(cidr));
  return { family, first, last: first + (1n << BigInt(addressBits(family) - cidrLength(cidr))) - 1n };
}

export function cidrContains(cidr: Cidr, address: IpAddress): boolean {
  const range = cidrRange(cidr);
  const value = addressValue(address);
  return range.family === addressFamily(address) && range.first <= value && value <= range.last;
}

/** Whether the prefixes share an address; prefixes of different families never do. */
export function cidrsOverlap(one: Cidr, other: Cidr): boolean {
  const a = cidrRange(one);
  const b = cidrRange(other);
  return a.family === b.family && a.first <= b.last && b.first <= a.last;
}

/** Sorted, without repetitions and without prefixes that another one covers: what an AllowedIPs line or an nft interval set needs. */
export function normalizeCidrs(cidrs: Iterable<Cidr>): readonly Cidr[] {
  const sorted = [...new Set(cidrs)].sort(compareCidrs);
  const kept: Cidr[] = [];
  for (const cidr of sorted) {
    const last = kept.at(-1);
    if (last === undefined || !cidrsOverlap(last, cidr)) kept.push(cidr);
  }
  return kept;
}

/** IPv4 before IPv6, then by first address, then the wider prefix first. */
export function compareCidrs(one: Cidr, other: Cidr): number {
  const a = cidrRange(one);
  const b = cidrRange(other);
  if (a.family !== b.family) return a.family - b.family;
  if (a.first !== b.first) return a.first < b.first ? -1 : 1;
  return cidrLength(one) - cidrLength(other);
}

/** The prefix that holds this one and is shorter by so many bits, as far as that goes. */
export function widenCidr(cidr: Cidr, bits: number): Cidr {
  const family = cidrFamily(cidr);
  const length = Math.max(0, cidrLength(cidr) - bits);
  return `${addressFromValue(family, clearHostBits(family, addressValue(cidrBase(cidr)), length))}/${length}` as Cidr;
}

/** The narrowest prefix that holds all of these, which are of one family; undefined where there are none. */
export function coveringCidr(cidrs: Iterable<Cidr>): Cidr | undefined {
  let [one, first, last]: [Cidr | undefined, bigint, bigint] = [undefined, 0n, 0n];
  for (const cidr of cidrs) {
    const range = cidrRange(cidr);
    if (one === undefined || range.first < first) first = range.first;
    if (one === undefined || range.last > last) last = range.last;
    one ??= cidr;
  }
  if (one === undefined) return undefined;
  const family = cidrFamily(one);
  const differing = first === last ? 0 : (first ^ last).toString(2).length;
  const length = addressBits(family) - differing;
  return `${addressFromValue(family, clearHostBits(family, first, length))}/${length}` as Cidr;
}

/**
 * Prefixes that hold all of these addresses and none of the others, all of one family: in order, none wider than it must be, and no two that one
 * could stand for.
 */
export function cidrsHolding(addresses: Iterable<IpAddress>, others: Iterable<IpAddress>): readonly Cidr[] {
  const wanted = [...new Set(addresses)].map(hostCidr).sort(compareCidrs);
  const shunned = [...new Set(others)].map(addressValue).sort(inOrder);
  const found: Cidr[] = [];
  for (const host of wanted) {
    const last = found.at(-1);
    const wider = last === undefined ? undefined : coveringCidr([last, host]);
    if (wider !== undefined && !holdsAny(wider, shunned)) found[found.length - 1] = wider;
    else found.push(host);
  }
  return found;
}

function holdsAny(cidr: Cidr, sorted: readonly bigint[]): boolean {
  const { first, last } = cidrRange(cidr);
  let [from, to] = [0, sorted.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((sorted[middle] ?? 0n) < first) from = middle + 1;
    else to = middle;
  }
  return (sorted[from] ?? last + 1n) <= last;
}

function inOrder(one: bigint, other: bigint): number {
  return one < other ? -1 : Number(one > other);
}

function clearHostBits(family: Family, value: bigint, length: number): bigint {
  const hostBits = BigInt(addressBits(family) - length);
  return (value >> hostBits) << hostBits;
}
