import { addressBits, addressFamily, addressFromValue, addressValue, type IpAddress } from '../net/address.ts';
import { type Parsed, refused } from '../net/parsed.ts';
import { buildIpv4, parseIpv4 } from './ipv4.ts';
import { buildIpv6, parseIpv6 } from './ipv6.ts';

export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58 } as const;

/** A packet of either family: addresses of 4 or 16 bytes, what they carry, and how many routers it may still pass. */
export interface IpPacket {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  readonly hopLimit: number;
  readonly payload: Uint8Array;
}

/** From where to where a packet of ours goes. */
export interface Flow {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
}

const HOP_LIMIT = 64;

/** The bytes of a packet between two addresses of one family. */
export function buildIp(flow: Flow, protocol: number, payload: Uint8Array): Uint8Array {
  const packet = { ...flow, protocol, hopLimit: HOP_LIMIT, payload };
  return flow.source.length === 4 ? buildIpv4(packet) : buildIpv6(packet);
}

/** The packet in these bytes, by the version they begin with. */
export function parseIp(bytes: Uint8Array): Parsed<IpPacket> {
  const version = (bytes[0] ?? 0) >> 4;
  if (version === 4) return parseIpv4(bytes);
  if (version === 6) return parseIpv6(bytes);
  return refused(`${version} is no IP version`);
}

/** The 4 or 16 bytes of an address. */
export function addressBytes(address: IpAddress): Uint8Array {
  const length = addressBits(addressFamily(address)) / 8;
  const value = addressValue(address);
  return Uint8Array.from({ length }, (_, index) => Number((value >> BigInt(8 * (length - 1 - index))) & 0xffn));
}

/** The address of 4 or 16 bytes. */
export function addressOf(bytes: Uint8Array): IpAddress {
  const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  return addressFromValue(bytes.length === 4 ? 4 : 6, value);
}
