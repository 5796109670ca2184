import { type Parsed, parsed, refused } from '../net/parsed.ts';
import { concat, viewOf } from './bytes.ts';
import { segmentChecksum } from './checksum.ts';
import { buildIp, type Flow, type IpPacket, PROTOCOL } from './ip.ts';

/** A TCP segment as far as opening and resetting a connection needs it. */
export interface TcpSegment {
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly sequence: number;
  readonly acknowledgement: number;
  readonly flags: number;
  readonly window: number;
  /** Maximum segment size that the sender can receive; only SYN segments carry it. */
  readonly mss?: number;
  readonly payload: Uint8Array;
}

export const TCP_FLAG = { fin: 0x01, syn: 0x02, rst: 0x04, psh: 0x08, ack: 0x10 } as const;

const HEADER_LENGTH = 20;
const OPTION_MSS = 2;

/** The IP packet that carries a TCP segment. */
export function buildTcp(flow: Flow, segment: TcpSegment): Uint8Array {
  const header = new Uint8Array(segment.mss === undefined ? HEADER_LENGTH : HEADER_LENGTH + 4);
  const view = viewOf(header);
  view.setUint16(0, segment.sourcePort);
  view.setUint16(2, segment.destinationPort);
  view.setUint32(4, segment.sequence);
  view.setUint32(8, segment.acknowledgement);
  view.setUint8(12, (header.length / 4) << 4);
  view.setUint8(13, segment.flags);
  view.setUint16(14, segment.window);
  if (segment.mss !== undefined) {
    view.setUint16(20, (OPTION_MSS << 8) | 4);
    view.setUint16(22, segment.mss);
  }
  view.setUint16(16, segmentChecksum(flow, PROTOCOL.tcp, concat(header, segment.payload)));
  return buildIp(flow, PROTOCOL.tcp, concat(header, segment.payload));
}

/** The TCP segment in an IP packet, with a right checksum; of the options only MSS is read. */
export function parseTcp(packet: IpPacket): Parsed<TcpSegment> {
  const { payload } = packet;
  if (packet.protocol !== PROTOCOL.tcp || payload.length < HEADER_LENGTH) return refused('not a TCP segment');
  const view = viewOf(payload);
  const headerLength = (view.getUint8(12) >> 4) * 4;
  if (headerLength < HEADER_LENGTH || headerLength > payload.length)
    return refused('a TCP segment with a wrong header length');
  if (segmentChecksum(packet, PROTOCOL.tcp, payload) !== 0) return refused('a TCP segment with a wrong checksum');
  const mss = mssIn(payload.subarray(HEADER_LENGTH, headerLength));
  return parsed({
    sourcePort: view.getUint16(0),
    destinationPort: view.getUint16(2),
    sequence: view.getUint32(4),
    acknowledgement: view.getUint32(8),
    flags: view.getUint8(13),
    window: view.getUint16(14),
    ...(mss === undefined ? {} : { mss }),
    payload: payload.subarray(headerLength),
  });
}

function mssIn(options: Uint8Array): number | undefined {
  let offset = 0;
  while (offset < options.length) {
    const kind = options[offset];
    if (kind === 0) return undefined;
    const length = kind === 1 ? 1 : (options[offset + 1] ?? 0);
    if (kind !== 1 && length < 2) return undefined;
    if (kind === OPTION_MSS && length === 4 && offset + 4 <= options.length)
      return viewOf(options).getUint16(offset + 2);
    offset += length;
  }
  return undefined;
}
