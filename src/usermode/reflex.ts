import { sameBytes } from './bytes.ts';
import { buildEcho, parseIcmp } from './icmp.ts';
import { type Flow, type IpPacket, PROTOCOL, parseIp } from './ip.ts';
import { buildTcp, parseTcp, TCP_FLAG } from './tcp.ts';

/**
 * What a host without services answers to a packet: an echo reply, or a reset to a TCP segment of no connection;
 * undefined for everything else. It makes the probe's address pingable, and ends connections whose reset was lost.
 */
export function reflexTo(packet: Uint8Array, ownAddress: Uint8Array): Uint8Array | undefined {
  const ip = parseIp(packet);
  if (!ip.ok || !sameBytes(ip.value.destination, ownAddress)) return undefined;
  const back: Flow = { source: ownAddress, destination: ip.value.source };
  return ip.value.protocol === PROTOCOL.tcp ? resetTo(ip.value, back) : echoTo(ip.value, back);
}

function echoTo(ip: IpPacket, back: Flow): Uint8Array | undefined {
  const icmp = parseIcmp(ip);
  if (!icmp.ok || icmp.value.kind !== 'echo-request') return undefined;
  return buildEcho(back, 'echo-reply', icmp.value);
}

/** RFC 9293, section 3.10.7.1: a reset continues the sender's own numbering, and never answers a reset. */
function resetTo(ip: IpPacket, back: Flow): Uint8Array | undefined {
  const tcp = parseTcp(ip);
  if (!tcp.ok || (tcp.value.flags & TCP_FLAG.rst) !== 0) return undefined;
  const { flags, sequence, acknowledgement, payload, sourcePort, destinationPort } = tcp.value;
  const ports = { sourcePort: destinationPort, destinationPort: sourcePort, window: 0, payload: new Uint8Array() };
  if ((flags & TCP_FLAG.ack) !== 0)
    return buildTcp(back, { ...ports, sequence: acknowledgement, acknowledgement: 0, flags: TCP_FLAG.rst });
  const phantom = ((flags & TCP_FLAG.syn) === 0 ? 0 : 1) + ((flags & TCP_FLAG.fin) === 0 ? 0 : 1);
  return buildTcp(back, {
    ...ports,
    sequence: 0,
    acknowledgement: (sequence + payload.length + phantom) >>> 0,
    flags: TCP_FLAG.rst | TCP_FLAG.ack,
  });
}
