import { type Parsed, parsed, refused } from '../net/parsed.ts';
import { concat, viewOf } from './bytes.ts';
import { checksum } from './checksum.ts';
import type { IpPacket } from './ip.ts';

const HEADER_LENGTH = 20;
const DONT_FRAGMENT = 0x4000;
const FRAGMENT_BITS = 0x3fff;

/** An IPv4 packet without options that must not be fragmented. */
export function buildIpv4(packet: IpPacket): Uint8Array {
  const header = new Uint8Array(HEADER_LENGTH);
  const view = viewOf(header);
  view.setUint8(0, 0x45);
  view.setUint16(2, HEADER_LENGTH + packet.payload.length);
  view.setUint16(6, DONT_FRAGMENT);
  view.setUint8(8, packet.hopLimit);
  view.setUint8(9, packet.protocol);
  header.set(packet.source, 12);
  header.set(packet.destination, 16);
  view.setUint16(10, checksum(header));
  return concat(header, packet.payload);
}

/** A whole IPv4 packet with a right header checksum; options are skipped, fragments refused. */
export function parseIpv4(bytes: Uint8Array): Parsed<IpPacket> {
  if (bytes.length < HEADER_LENGTH) return refused(`${bytes.length} bytes are no IPv4 packet`);
  const view = viewOf(bytes);
  const headerLength = (view.getUint8(0) & 0x0f) * 4;
  const length = view.getUint16(2);
  if (headerLength < HEADER_LENGTH || length < headerLength || length > bytes.length)
    return refused('an IPv4 packet with wrong lengths');
  if (checksum(bytes.subarray(0, headerLength)) !== 0) return refused('an IPv4 packet with a wrong checksum');
  if ((view.getUint16(6) & FRAGMENT_BITS) !== 0) return refused('a fragment of an IPv4 packet');
  return parsed({
    source: bytes.slice(12, 16),
    destination: bytes.slice(16, 20),
    hopLimit: view.getUint8(8),
    protocol: view.getUint8(9),
    payload: bytes.subarray(headerLength, length),
  });
}
