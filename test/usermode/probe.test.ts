import { describe, expect, it } from 'vitest';
import { concat } from '../../src/usermode/bytes.ts';
import { checksum } from '../../src/usermode/checksum.ts';
import { buildIp, parseIp } from '../../src/usermode/ip.ts';
import {
  advanceProbe,
  concerns,
  nextProbeTick,
  type Probe,
  type ProbeEvent,
  type ProbePlan,
  type ProbeTurn,
  probeQuestions,
  startProbe,
} from '../../src/usermode/probe.ts';
import type { ProbeResult } from '../../src/usermode/probe-result.ts';
import { buildTcp, parseTcp, TCP_FLAG } from '../../src/usermode/tcp.ts';
import { buildUdp, parseUdp } from '../../src/usermode/udp.ts';
import { hex, right, seeded } from './builders.ts';

const SOURCE = hex('0ad5000f');
const DNS = hex('0a60000a');
const SERVICE = hex('0a600001');
const plan: ProbePlan = {
  gateway: { endpoint: '127.0.0.1:51840', publicKey: 'GATEWAY', probePublicKey: 'PROBE' },
  questions: probeQuestions(
    SOURCE,
    { dns: { server: DNS, name: 'kubernetes.default', type: 'A' }, tcp: { address: SERVICE, port: 443 } },
    seeded('probe')(10),
  ),
  timeouts: { handshakeMs: 5_000, dnsMs: 3_000, tcpMs: 3_000 },
};

/** A run with a clock of its own, and all that it wanted done. */
class Run {
  now = 1_000;
  probe: Probe;
  connects = 0;
  readonly packets: Uint8Array[] = [];
  result: ProbeResult | undefined;

  constructor(handshakeMs?: number) {
    const first = startProbe(plan, handshakeMs === undefined ? undefined : { handshakeMs }, this.now);
    this.probe = first.probe;
    this.take(first);
  }

  tell(event: ProbeEvent): this {
    this.take(advanceProbe(this.probe, event, this.now));
    return this;
  }

  hears(packet: Uint8Array | undefined): this {
    return this.tell({ kind: 'packet', packet: packet ?? new Uint8Array() });
  }

  /** Lets time pass, with every tick that the run asks for. */
  pass(ms: number): this {
    const end = this.now + ms;
    for (let due = nextProbeTick(this.probe); due !== undefined && due <= end; due = nextProbeTick(this.probe)) {
      this.now = Math.max(this.now, due);
      this.tell({ kind: 'tick' });
    }
    this.now = end;
    return this;
  }

  get last(): Uint8Array {
    return this.packets.at(-1) ?? new Uint8Array();
  }

  private take(turn: ProbeTurn): void {
    this.probe = turn.probe;
    for (const effect of turn.effects) {
      if (effect.kind === 'connect') this.connects++;
      else if (effect.kind === 'send') this.packets.push(effect.packet);
      else this.result = effect.result;
    }
  }
}

const back = (packet: Uint8Array) => {
  const ip = right(parseIp(packet));
  return { ip, flow: { source: ip.destination, destination: ip.source } };
};

function dnsAnswer(packet: Uint8Array, rcode = 0, record = hex('c00c000100010000001e00040a600001')): Uint8Array {
  const { ip, flow } = back(packet);
  const asked = right(parseUdp(ip));
  const message = concat(asked.payload, record);
  new DataView(message.buffer).setUint16(2, 0x8180 | rcode);
  new DataView(message.buffer).setUint16(6, record.length > 0 ? 1 : 0);
  return buildUdp(flow, { sourcePort: 53, destinationPort: asked.sourcePort, payload: message });
}

function tcpAnswer(packet: Uint8Array, flags: number, acknowledged = 1): Uint8Array {
  const { ip, flow } = back(packet);
  const asked = right(parseTcp(ip));
  return buildTcp(flow, {
    sourcePort: asked.destinationPort,
    destinationPort: asked.sourcePort,
    sequence: 9,
    acknowledgement: (asked.sequence + acknowledged) >>> 0,
    flags,
    window: 100,
    payload: new Uint8Array(),
  });
}

function icmpAnswer(packet: Uint8Array, type: number, code: number): Uint8Array {
  const message = concat(Uint8Array.of(type, code), new Uint8Array(6), packet.subarray(0, 28));
  new DataView(message.buffer).setUint16(2, checksum(message));
  return buildIp({ source: hex('0a000001'), destination: SOURCE }, 1, message);
}

const SYN_ACK = TCP_FLAG.syn | TCP_FLAG.ack;
const RESET = TCP_FLAG.rst | TCP_FLAG.ack;

/** A run that has come to its TCP question. */
const connecting = () => {
  const run = new Run().tell({ kind: 'established' });
  return run.hears(dnsAnswer(run.last));
};

describe('a probe', () => {
  it('asks for a handshake, then a name, then a connection, which it resets', () => {
    const run = new Run();
    expect([run.connects, run.packets.length]).toEqual([1, 0]);
    run.now += 9;
    run.tell({ kind: 'established' });
    run.now += 2;
    run.hears(dnsAnswer(run.last));
    run.now += 1;
    const syn = run.last;
    run.hears(tcpAnswer(syn, SYN_ACK));
    expect(run.result).toEqual({ ok: true, reused: false, handshakeMs: 9, dnsMs: 2, tcpMs: 1 });
    const reset = right(parseTcp(right(parseIp(run.last))));
    const { sequence } = right(parseTcp(right(parseIp(syn))));
    expect(reset).toMatchObject({ flags: TCP_FLAG.rst, sequence: (sequence + 1) >>> 0, destinationPort: 443 });
    expect(nextProbeTick(run.probe)).toBeUndefined();
  });

  it('over a standing session begins with the name', () => {
    const run = new Run(7);
    run.hears(dnsAnswer(run.last));
    run.hears(tcpAnswer(run.last, SYN_ACK));
    expect(run.connects).toBe(0);
    expect(run.result).toMatchObject({ ok: true, reused: true, handshakeMs: 7 });
  });

  it('repeats a query from other ports and a SYN as it was, more and more slowly', () => {
    const run = new Run().tell({ kind: 'established' }).pass(2_999);
    expect(run.packets).toHaveLength(7);
    const ports = run.packets.map((packet) => right(parseUdp(right(parseIp(packet)))).sourcePort);
    expect(new Set(ports).size).toBe(7);
    run.hears(dnsAnswer(run.packets[1] ?? new Uint8Array()));
    const first = run.last;
    run.pass(2_999);
    expect(run.packets).toHaveLength(14);
    for (const syn of run.packets.slice(7)) expect(syn).toEqual(first);
    run.hears(tcpAnswer(first, SYN_ACK));
    expect(run.result).toMatchObject({ ok: true });
  });

  it('is not deceived by packets that are not for it', () => {
    const run = connecting();
    const syn = run.last;
    const wrong = [
      tcpAnswer(syn, SYN_ACK, 2),
      tcpAnswer(syn, TCP_FLAG.rst),
      tcpAnswer(syn, TCP_FLAG.ack),
      dnsAnswer(run.packets[0] ?? syn, 3),
      icmpAnswer(run.packets[0] ?? syn, 3, 3),
      syn,
      hex('45'),
    ];
    for (const packet of wrong) expect(run.hears(packet).result).toBeUndefined();
    expect(concerns(run.probe, tcpAnswer(syn, SYN_ACK))).toBe(true);
    expect(concerns(run.probe, syn)).toBe(false);
  });
});

describe('a probe that fails names the step and why', () => {
  it.each<[name: string, events: readonly ProbeEvent[], reason: string, text: string]>([
    ['silence', [], 'timeout', 'did not answer a WireGuard handshake within 5 s'],
    ['a closed port', [{ kind: 'undeliverable', code: 'ECONNREFUSED' }], 'port-closed', 'nothing listens on UDP 127'],
    ['a firewall', [{ kind: 'undeliverable', code: 'EPERM' }], 'send-failed', 'cannot be sent (EPERM)'],
    ['another secret', [{ kind: 'refused', problem: 'the keys differ' }], 'not-authentic', 'the keys differ'],
  ])('handshake: %s', (_name, events, reason, text) => {
    const run = new Run();
    for (const event of events) run.tell(event);
    run.pass(5_000);
    const problem = expect.stringContaining(text);
    expect(run.result).toEqual({ ok: false, step: 'handshake', reason, problem });
  });

  it.each<[name: string, rcode: number, reason: string, text: string]>([
    ['NXDOMAIN', 3, 'name-unknown', 'says kubernetes.default does not exist (NXDOMAIN)'],
    ['SERVFAIL', 2, 'server-failure', '(SERVFAIL)'],
    ['an odd code', 11, 'server-failure', '(code 11)'],
    ['no record', 0, 'no-address', 'has no A record'],
  ])('dns: %s', (_name, rcode, reason, text) => {
    const run = new Run().tell({ kind: 'established' });
    run.now += 4;
    run.hears(dnsAnswer(run.last, rcode, new Uint8Array()));
    expect(run.result).toMatchObject({ ok: false, step: 'dns', reason, problem: expect.stringContaining(text) });
    expect(run.result).toHaveProperty('handshakeMs', 0);
  });

  it('dns: silence, although the handshake works', () => {
    const { result } = new Run().tell({ kind: 'established' }).pass(3_000);
    expect(result).toMatchObject({ ok: false, step: 'dns', reason: 'timeout' });
    expect(result).toHaveProperty('problem', expect.stringContaining('DNS server 10.96.0.10 did not answer'));
  });

  it.each<[name: string, answer: (syn: Uint8Array) => Uint8Array, reason: string, text: string]>([
    ['a reset', (syn) => tcpAnswer(syn, RESET), 'refused', '10.96.0.1:443 refused the TCP connection'],
    ['port unreachable', (syn) => icmpAnswer(syn, 3, 3), 'refused', 'refused by 10.0.0.1 (ICMP port unreachable)'],
    ['prohibited', (syn) => icmpAnswer(syn, 3, 13), 'prohibited', 'refused by 10.0.0.1'],
    ['no route', (syn) => icmpAnswer(syn, 3, 0), 'unreachable', '10.0.0.1 cannot reach 10.96.0.1:443'],
    ['a circle', (syn) => icmpAnswer(syn, 11, 0), 'unreachable', 'go in a circle'],
    ['a tiny MTU', (syn) => icmpAnswer(syn, 3, 4), 'unreachable', 'MTU'],
  ])('tcp: %s', (_name, answer, reason, text) => {
    const run = connecting();
    run.hears(answer(run.last));
    expect(run.result).toMatchObject({ ok: false, step: 'tcp', reason, dnsMs: 0 });
    expect(run.result).toHaveProperty('problem', expect.stringContaining(text));
  });

  it('tcp: silence', () => {
    const { result } = connecting().pass(3_000);
    expect(result).toMatchObject({ ok: false, step: 'tcp', reason: 'timeout' });
  });
});

describe('a session of an earlier run that brings no answer', () => {
  it('is replaced before a step is called failed, and the step asked anew', () => {
    const run = new Run(7).pass(1_000);
    expect(run.connects).toBe(1);
    run.tell({ kind: 'established' });
    run.hears(dnsAnswer(run.last));
    run.hears(tcpAnswer(run.last, SYN_ACK));
    expect(run.result).toMatchObject({ ok: true, reused: false, handshakeMs: 0 });
  });

  it('fails the handshake when the gateway is gone', () => {
    expect(new Run(7).pass(6_000).result).toMatchObject({ ok: false, step: 'handshake', reason: 'timeout' });
  });

  it('fails the step when only the handshake works, after one attempt', () => {
    const run = new Run(7).pass(1_000).tell({ kind: 'established' }).pass(3_000);
    expect(run.result).toMatchObject({ ok: false, step: 'dns', reason: 'timeout' });
    expect(run.connects).toBe(1);
  });

  it('is replaced at once when the socket says that nobody listens', () => {
    const run = new Run(7).tell({ kind: 'undeliverable', code: 'ECONNREFUSED' });
    expect(run.connects).toBe(1);
    expect(run.pass(5_000).result).toMatchObject({ ok: false, step: 'handshake', reason: 'port-closed' });
  });
});
