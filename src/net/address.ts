import { isIP } from 'node:net';
import { type Parsed, parsed, quoted, refused } from './parsed.ts';

/** An IPv4 or IPv6 address in its one canonical spelling (RFC 5952 for IPv6), so that equal addresses are equal strings. */
export type IpAddress = string & { readonly __ipAddress: never };

export type Family = 4 | 6;

/** Bits in an address of the family. */
export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** An address, refusing leading zeros, zones (`%eth0`) and IPv4-mapped IPv6, which other tools read differently. */
export function parseAddress(text: string): Parsed<IpAddress> {
  const family = isIP(text);
  if (family === 0) return refused(`${quoted(text)} is not an IP address`);
  if (text.includes('%')) return refused(`${quoted(text)} has a zone; leave out everything from "%" on`);
  if (family === 4) return parsed(text as IpAddress);
  const value = ipv6Value(text);
  if (value >> 32n === 0xffffn)
    return refused(`${quoted(text)} is an IPv4-mapped IPv6 address; write the IPv4 address`);
  return parsed(addressFromValue(6, value));
}

/** Those of the texts that are addresses; for texts that were checked when they were stored. */
export function addressesIn(texts: readonly string[]): readonly IpAddress[] {
  return texts.flatMap((text) => {
    const address = parseAddress(text);
    return address.ok ? [address.value] : [];
  });
}

/** The family of a parsed address. */
export function addressFamily(address: IpAddress): Family {
  return address.includes(':') ? 6 : 4;
}

/** The address as an unsigned number in network order. */
export function addressValue(address: IpAddress): bigint {
  return addressFamily(address) === 4 ? BigInt(ipv4Value(address)) : ipv6Value(address);
}

/** The canonical address with this number. @throws {RangeError} when the number does not fit the family. */
export function addressFromValue(family: Family, value: bigint): IpAddress {
  if (value < 0n || value >> BigInt(addressBits(family)) !== 0n)
    throw new RangeError(`no IPv${family} address ${value}`);
  return (family === 4 ? ipv4Text(Number(value)) : ipv6Text(value)) as IpAddress;
}

function ipv4Value(text: string): number {
  return text.split('.').reduce((value, octet) => value * 256 + Number(octet), 0);
}

function ipv4Text(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 0xff).join('.');
}

/** Reads text that `isIP` has accepted as IPv6, a trailing dotted quad included. */
function ipv6Value(text: string): bigint {
  const quad = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const plain = quad === null ? text : `${quad[1]}${quadGroups(quad[2] ?? '')}`;
  const [head = '', tail] = plain.split('::');
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = new Array<number>(8 - before.length - after.length).fill(0);
  return [...before, ...zeros, ...after].reduce((value, group) => (value << 16n) | BigInt(group), 0n);
}

function quadGroups(quad: string): string {
  const value = ipv4Value(quad);
  return `${(value >>> 16).toString(16)}:${(value & 0xffff).toString(16)}`;
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}

/** RFC 5952: lower case, no leading zeros, the first longest run of two or more zero groups as `::`. */
function ipv6Text(value: bigint): string {
  const parts = Array.from({ length: 8 }, (_, index) => Number((value >> BigInt(112 - 16 * index)) & 0xffffn));
  const run = longestZeroRun(parts);
  const hex = parts.map((part) => part.toString(16));
  if (run.length < 2) return hex.join(':');
  return `${hex.slice(0, run.start).join(':')}::${hex.slice(run.start + run.length).join(':')}`;
}

function longestZeroRun(parts: readonly number[]): { readonly start: number; readonly length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < parts.length; start++) {
    let end = start;
    while (end < parts.length && parts[end] === 0) end++;
    if (end - start > best.length) best = { start, length: end - start };
    start = Math.max(start, end);
  }
  return best;
}
