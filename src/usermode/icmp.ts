import { type Parsed, parsed, refused } from '../net/parsed.ts';
import { concat, viewOf } from './bytes.ts';
import { checksum, segmentChecksum } from './checksum.ts';
import { buildIp, type Flow, type IpPacket, PROTOCOL } from './ip.ts';

/** Why a router or host refused a packet of ours. */
export type Refusal = 'network' | 'host' | 'protocol' | 'port' | 'prohibited' | 'hops' | 'size';

/** The ends of the packet that an error is about. */
export interface QuotedFlow extends Flow {
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
}

export type IcmpMessage =
  | {
      readonly kind: 'echo-request' | 'echo-reply';
      readonly id: number;
      readonly sequence: number;
      readonly payload: Uint8Array;
    }
  | { readonly kind: 'refusal'; readonly refusal: Refusal; readonly about: QuotedFlow | undefined }
  | { readonly kind: 'other' };

const HEADER_LENGTH = 8;
const ECHO = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;

/** ICMP type and code to a refusal: RFC 792, RFC 1812 (9, 10, 13: administratively prohibited). */
const REFUSALS_V4: readonly (readonly [type: number, code: number, refusal: Refusal])[] = [
  [3, 0, 'network'],
  [3, 1, 'host'],
  [3, 2, 'protocol'],
  [3, 3, 'port'],
  [3, 4, 'size'],
  [3, 6, 'network'],
  [3, 7, 'host'],
  [3, 9, 'prohibited'],
  [3, 10, 'prohibited'],
  [3, 13, 'prohibited'],
  [11, 0, 'hops'],
];

/** ICMPv6 (RFC 4443): 5 is "source address failed policy", 6 "reject route". */
const REFUSALS_V6: readonly (readonly [type: number, code: number, refusal: Refusal])[] = [
  [1, 0, 'network'],
  [1, 1, 'prohibited'],
  [1, 3, 'host'],
  [1, 4, 'port'],
  [1, 5, 'prohibited'],
  [1, 6, 'prohibited'],
  [2, 0, 'size'],
  [3, 0, 'hops'],
];

/** The IP packet of an echo request or reply. */
export function buildEcho(
  flow: Flow,
  kind: 'echo-request' | 'echo-reply',
  echo: { readonly id: number; readonly sequence: number; readonly payload: Uint8Array },
): Uint8Array {
  const isV4 = flow.source.length === 4;
  const types = ECHO[isV4 ? 4 : 6];
  const header = new Uint8Array(HEADER_LENGTH);
  const view = viewOf(header);
  view.setUint8(0, kind === 'echo-request' ? types.request : types.reply);
  view.setUint16(4, echo.id);
  view.setUint16(6, echo.sequence);
  const message = concat(header, echo.payload);
  viewOf(message).setUint16(2, isV4 ? checksum(message) : segmentChecksum(flow, PROTOCOL.icmpv6, message));
  return buildIp(flow, isV4 ? PROTOCOL.icmp : PROTOCOL.icmpv6, message);
}

/** The ICMP message in an IP packet of either family, with a right checksum. */
export function parseIcmp(packet: IpPacket): Parsed<IcmpMessage> {
  const isV4 = packet.source.length === 4;
  const { payload } = packet;
  if (packet.protocol !== (isV4 ? PROTOCOL.icmp : PROTOCOL.icmpv6) || payload.length < HEADER_LENGTH)
    return refused('not an ICMP message');
  const sum = isV4 ? checksum(payload) : segmentChecksum(packet, PROTOCOL.icmpv6, payload);
  if (sum !== 0) return refused('an ICMP message with a wrong checksum');
  const view = viewOf(payload);
  const [type, code] = [view.getUint8(0), view.getUint8(1)];
  const types = ECHO[isV4 ? 4 : 6];
  if (type === types.request || type === types.reply) {
    const kind = type === types.request ? 'echo-request' : 'echo-reply';
    return parsed({
      kind,
      id: view.getUint16(4),
      sequence: view.getUint16(6),
      payload: payload.subarray(HEADER_LENGTH),
    });
  }
  const known = (isV4 ? REFUSALS_V4 : REFUSALS_V6).find((entry) => entry[0] === type && entry[1] === code);
  if (known === undefined) return parsed({ kind: 'other' });
  return parsed({ kind: 'refusal', refusal: known[2], about: quotedFlow(payload.subarray(HEADER_LENGTH)) });
}

/** Errors quote only the beginning of a packet, so its lengths and checksums prove nothing here. */
function quotedFlow(quote: Uint8Array): QuotedFlow | undefined {
  const isV4 = (quote[0] ?? 0) >> 4 === 4;
  const headerLength = isV4 ? ((quote[0] ?? 0) & 0x0f) * 4 : 40;
  if (quote.length < headerLength + 4 || headerLength < 20) return undefined;
  const view = viewOf(quote);
  return {
    source: isV4 ? quote.slice(12, 16) : quote.slice(8, 24),
    destination: isV4 ? quote.slice(16, 20) : quote.slice(24, 40),
    protocol: view.getUint8(isV4 ? 9 : 6),
    sourcePort: view.getUint16(headerLength),
    destinationPort: view.getUint16(headerLength + 2),
  };
}
