import { type Parsed, parsed, refused } from '../net/parsed.ts';
import { concat, viewOf } from './bytes.ts';
import type { IpPacket } from './ip.ts';

const HEADER_LENGTH = 40;
/** Hop-by-hop, routing and destination options share one shape; their length counts 8-byte units after the first. */
const SKIPPED_HEADERS: readonly number[] = [0, 43, 60];
const FRAGMENT_HEADER = 44;
const MAX_EXTENSIONS = 8;

/** An IPv6 packet without extension headers. */
export function buildIpv6(packet: IpPacket): Uint8Array {
  const header = new Uint8Array(HEADER_LENGTH);
  const view = viewOf(header);
  view.setUint8(0, 0x60);
  view.setUint16(4, packet.payload.length);
  view.setUint8(6, packet.protocol);
  view.setUint8(7, packet.hopLimit);
  header.set(packet.source, 8);
  header.set(packet.destination, 24);
  return concat(header, packet.payload);
}

/** A whole IPv6 packet; up to eight extension headers are skipped, fragments refused. */
export function parseIpv6(bytes: Uint8Array): Parsed<IpPacket> {
  if (bytes.length < HEADER_LENGTH) return refused(`${bytes.length} bytes are no IPv6 packet`);
  const view = viewOf(bytes);
  const end = HEADER_LENGTH + view.getUint16(4);
  if (end > bytes.length) return refused('an IPv6 packet with a wrong length');
  const upper = upperLayer(bytes.subarray(0, end), view.getUint8(6));
  if (upper === undefined) return refused('an IPv6 packet whose extension headers cannot be followed');
  return parsed({
    source: bytes.slice(8, 24),
    destination: bytes.slice(24, 40),
    hopLimit: view.getUint8(7),
    protocol: upper.protocol,
    payload: bytes.subarray(upper.offset, end),
  });
}

function upperLayer(
  bytes: Uint8Array,
  first: number,
): { readonly protocol: number; readonly offset: number } | undefined {
  let protocol = first;
  let offset = HEADER_LENGTH;
  for (let count = 0; count <= MAX_EXTENSIONS; count++) {
    if (!SKIPPED_HEADERS.includes(protocol)) return protocol === FRAGMENT_HEADER ? undefined : { protocol, offset };
    const [next, units] = bytes.subarray(offset, offset + 2);
    if (next === undefined || units === undefined) return undefined;
    protocol = next;
    offset += 8 * (units + 1);
    if (offset > bytes.length) return undefined;
  }
  return undefined;
}
