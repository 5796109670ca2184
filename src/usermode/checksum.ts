import { concat, viewOf } from './bytes.ts';

/** The Internet checksum (RFC 1071) of the bytes; zero over bytes that contain their own right checksum. */
export function checksum(bytes: Uint8Array): number {
  const view = viewOf(bytes);
  let sum = 0;
  for (let offset = 0; offset + 1 < bytes.length; offset += 2) sum += view.getUint16(offset);
  if (bytes.length % 2 === 1) sum += (bytes.at(-1) ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** The checksum of TCP, UDP and ICMPv6: over the segment and the addresses it travels between (RFC 9293, RFC 8200). */
export function segmentChecksum(
  flow: { readonly source: Uint8Array; readonly destination: Uint8Array },
  protocol: number,
  segment: Uint8Array,
): number {
  const tail = new Uint8Array(8);
  viewOf(tail).setUint32(0, segment.length);
  viewOf(tail).setUint32(4, protocol);
  return checksum(concat(flow.source, flow.destination, tail, segment));
}
