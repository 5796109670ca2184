import { type Parsed, parsed, refused } from '../net/parsed.ts';
import { concat, viewOf } from './bytes.ts';
import { segmentChecksum } from './checksum.ts';
import { buildIp, type Flow, type IpPacket, PROTOCOL } from './ip.ts';

export interface UdpDatagram {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly payload: Uint8Array;
}

const HEADER_LENGTH = 8;

/** The IP packet that carries a UDP datagram. */
export function buildUdp(flow: Flow, datagram: UdpDatagram): Uint8Array {
  const header = new Uint8Array(HEADER_LENGTH);
  const view = viewOf(header);
  view.setUint16(0, datagram.sourcePort);
  view.setUint16(2, datagram.destinationPort);
  view.setUint16(4, HEADER_LENGTH + datagram.payload.length);
  const sum = segmentChecksum(flow, PROTOCOL.udp, concat(header, datagram.payload));
  // A computed zero is sent as all ones: zero means "no checksum" (RFC 768).
  view.setUint16(6, sum === 0 ? 0xffff : sum);
  return buildIp(flow, PROTOCOL.udp, concat(header, datagram.payload));
}

/** The UDP datagram in an IP packet. Over IPv4 the sender may have left the checksum out. */
export function parseUdp(packet: IpPacket): Parsed<UdpDatagram> {
  const { payload } = packet;
  if (packet.protocol !== PROTOCOL.udp || payload.length < HEADER_LENGTH) return refused('not a UDP datagram');
  const view = viewOf(payload);
  const length = view.getUint16(4);
  if (length < HEADER_LENGTH || length > payload.length) return refused('a UDP datagram with a wrong length');
  const isUnchecked = view.getUint16(6) === 0 && packet.source.length === 4;
  if (!isUnchecked && segmentChecksum(packet, PROTOCOL.udp, payload.subarray(0, length)) !== 0)
    return refused('a UDP datagram with a wrong checksum');
  return parsed({
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    payload: payload.subarray(HEADER_LENGTH, length),
  });
}
