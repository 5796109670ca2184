import { sameBytes } from './bytes.ts';
import { buildQuery, type DnsQuestion, parseAnswer, type RecordType } from './dns.ts';
import { parseIcmp } from './icmp.ts';
import { addressOf, type Flow, type IpPacket, PROTOCOL, parseIp } from './ip.ts';
import { dnsProblem, icmpProblem, type Problem, tcpRefused } from './probe-result.ts';
import { buildTcp, parseTcp, TCP_FLAG, type TcpSegment } from './tcp.ts';
import { buildUdp, parseUdp } from './udp.ts';

/** A name to be looked up. `query` is the DNS message that asks for it. */
export interface DnsAsked {
  readonly step: 'dns';
  readonly flow: Flow;
  readonly port: number;
  readonly question: DnsQuestion;
  readonly query: Uint8Array;
}

/** A connection to be opened to port `target`. */
export interface TcpAsked {
  readonly step: 'tcp';
  readonly flow: Flow;
  readonly port: number;
  readonly target: number;
  readonly sequence: number;
}

/** What a probe asks through the tunnel. `port` is its own first source port. */
export type Question = DnsAsked | TcpAsked;

/** What a packet means to a question; `reply` ends what the question began. */
export type Verdict =
  | { readonly kind: 'answered'; readonly reply?: Uint8Array }
  | { readonly kind: 'failed'; readonly problem: Problem }
  | { readonly kind: 'unrelated' };

export interface DnsTarget {
  readonly server: Uint8Array;
  readonly name: string;
  readonly type: RecordType;
}

export interface TcpTarget {
  readonly address: Uint8Array;
  readonly port: number;
}

const DNS_PORT = 53;
const FIRST_PORT = 49152;
const PORTS = 16000;
/** How many source ports above the first a question may use. */
const PORT_SPAN = 64;
/** Small enough for every tunnel: what an IPv6 link must carry, less both headers. */
const MSS = 1220;
const UNRELATED: Verdict = { kind: 'unrelated' };
const NOTHING = new Uint8Array();

/** A DNS question. `random` holds at least four bytes. @throws {RangeError} on a name that DNS cannot carry. */
export function dnsQuestion(source: Uint8Array, target: DnsTarget, random: Uint8Array): DnsAsked {
  const [high = 0, low = 0] = random.subarray(2);
  const question = { id: (high << 8) | low, name: target.name, type: target.type };
  const query = buildQuery(question);
  if (!query.ok) throw new RangeError(query.problem);
  const flow = { source, destination: target.server };
  return { step: 'dns', flow, port: sourcePort(random), question, query: query.value };
}

/** A TCP connection to be opened and at once reset. `random` holds at least six bytes. */
export function tcpQuestion(source: Uint8Array, target: TcpTarget, random: Uint8Array): TcpAsked {
  const sequence = random.subarray(2, 6).reduce((sum, byte) => sum * 256 + byte, 0);
  return {
    step: 'tcp',
    flow: { source, destination: target.address },
    port: sourcePort(random),
    target: target.port,
    sequence,
  };
}

/**
 * The packet of a question's `attempt`, counted from zero. A DNS query is asked again from another port, as resolvers
 * do, which a service proxy may take to another backend; a SYN is repeated as it was, as TCP does.
 */
export function packetOf(asked: Question, attempt: number): Uint8Array {
  if (asked.step === 'tcp') return buildTcp(asked.flow, { ...synOf(asked), mss: MSS });
  const port = asked.port + (attempt % PORT_SPAN);
  return buildUdp(asked.flow, { sourcePort: port, destinationPort: DNS_PORT, payload: asked.query });
}

/** What a packet out of the tunnel says about a question. */
export function verdictOf(asked: Question, packet: Uint8Array): Verdict {
  const ip = parseIp(packet);
  if (!ip.ok || !sameBytes(ip.value.destination, asked.flow.source)) return UNRELATED;
  const { protocol } = ip.value;
  if (protocol === PROTOCOL.icmp || protocol === PROTOCOL.icmpv6) return icmpVerdict(asked, ip.value);
  if (!sameBytes(ip.value.source, asked.flow.destination)) return UNRELATED;
  return asked.step === 'dns' ? dnsVerdict(asked, ip.value) : tcpVerdict(asked, ip.value);
}

/** Where a question goes, as people write it. */
export function targetText(asked: Question): string {
  const address = addressOf(asked.flow.destination);
  if (asked.step === 'dns') return `DNS server ${address}`;
  return address.includes(':') ? `[${address}]:${asked.target}` : `${address}:${asked.target}`;
}

function sourcePort(random: Uint8Array): number {
  const [high = 0, low = 0] = random;
  return FIRST_PORT + (((high << 8) | low) % PORTS);
}

function synOf(asked: TcpAsked): TcpSegment {
  return {
    sourcePort: asked.port,
    destinationPort: asked.target,
    sequence: asked.sequence,
    acknowledgement: 0,
    flags: TCP_FLAG.syn,
    window: 0xffff,
    payload: NOTHING,
  };
}

function isOurPort(asked: Question, port: number): boolean {
  return asked.step === 'tcp' ? port === asked.port : port >= asked.port && port < asked.port + PORT_SPAN;
}

function dnsVerdict(asked: DnsAsked, ip: IpPacket): Verdict {
  const udp = parseUdp(ip);
  if (!udp.ok || udp.value.sourcePort !== DNS_PORT || !isOurPort(asked, udp.value.destinationPort)) return UNRELATED;
  const answer = parseAnswer(udp.value.payload, asked.question);
  if (!answer.ok) return UNRELATED;
  const { rcode, addresses } = answer.value;
  if (rcode === 0 && addresses.length > 0) return { kind: 'answered' };
  const { name, type } = asked.question;
  return { kind: 'failed', problem: dnsProblem(addressOf(ip.source), name, type, rcode) };
}

function tcpVerdict(asked: TcpAsked, ip: IpPacket): Verdict {
  const tcp = parseTcp(ip);
  if (!tcp.ok || tcp.value.sourcePort !== asked.target || tcp.value.destinationPort !== asked.port) return UNRELATED;
  const { flags, acknowledgement } = tcp.value;
  const next = (asked.sequence + 1) >>> 0;
  if ((flags & TCP_FLAG.ack) === 0 || acknowledgement !== next) return UNRELATED;
  if ((flags & TCP_FLAG.rst) !== 0) return { kind: 'failed', problem: tcpRefused(targetText(asked)) };
  if ((flags & TCP_FLAG.syn) === 0) return UNRELATED;
  const reset: TcpSegment = { ...synOf(asked), sequence: next, flags: TCP_FLAG.rst, window: 0 };
  return { kind: 'answered', reply: buildTcp(asked.flow, reset) };
}

function icmpVerdict(asked: Question, ip: IpPacket): Verdict {
  const icmp = parseIcmp(ip);
  if (!icmp.ok || icmp.value.kind !== 'refusal' || icmp.value.about === undefined) return UNRELATED;
  const { about, refusal } = icmp.value;
  const isOurs =
    sameBytes(about.source, asked.flow.source) &&
    sameBytes(about.destination, asked.flow.destination) &&
    about.protocol === (asked.step === 'dns' ? PROTOCOL.udp : PROTOCOL.tcp) &&
    about.destinationPort === (asked.step === 'dns' ? DNS_PORT : asked.target) &&
    isOurPort(asked, about.sourcePort);
  if (!isOurs) return UNRELATED;
  return { kind: 'failed', problem: icmpProblem(targetText(asked), refusal, addressOf(ip.source)) };
}
