import { addressFamily, type IpAddress } from '../net/address.ts';
import { curveKeys, KEY_LENGTH } from '../net/curve-keys.ts';
import { endpointOf } from '../net/endpoint.ts';
import { keyBytes, type PrivateKey, type PublicKey } from '../net/key.ts';
import { publicKeyOf } from '../net/key-pair.ts';
import type { RecordType } from './dns.ts';
import { addressBytes } from './ip.ts';
import {
  advanceProbe,
  concerns,
  nextProbeTick,
  type Probe,
  type ProbeEvent,
  type ProbePlan,
  type ProbeTimeouts,
  type ProbeTurn,
  probeQuestions,
  startProbe,
} from './probe.ts';
import type { ProbeResult } from './probe-result.ts';
import { reflexTo } from './reflex.ts';
import { SESSION_DEFAULTS } from './session-state.ts';
import { type TunnelClock, type TunnelEvent, UdpTunnel } from './udp-tunnel.ts';

/** Who probes: its own key and mesh address, which no peer may have, and how patient it is. */
export interface ProberOptions {
  readonly privateKey: PrivateKey;
  readonly source: IpAddress;
  readonly timeouts: ProbeTimeouts;
  readonly clock: TunnelClock;
  readonly randomBytes: (length: number) => Uint8Array;
}

/** What is probed: the gateway behind a UDP endpoint, then a name (left out: not asked), then a TCP port. */
export interface ProbeTarget {
  readonly peerPublicKey: PublicKey;
  /** 32 bytes in base64. */
  readonly presharedKey?: string;
  readonly endpoint: { readonly address: IpAddress; readonly port: number };
  /** The type is that of the TCP target's family unless given. */
  readonly dns?: { readonly server: IpAddress; readonly name: string; readonly type?: RecordType };
  readonly tcp: { readonly address: IpAddress; readonly port: number };
}

/** Patience for a gateway on the same node: five initiations, nine packets per question, so that a few lost ones change nothing. */
export const PROBE_TIMEOUTS: ProbeTimeouts = { handshakeMs: 5_000, dnsMs: 4_000, tcpMs: 4_000 };

/** An initiation is repeated sooner than the protocol's five seconds: the probe must come to a verdict. */
const HANDSHAKE_RETRY_MS = 1_000;
const QUESTION_RANDOM_BYTES = 10;

interface Run {
  probe: Probe;
  readonly finish: (result: ProbeResult) => void;
  cancelTimer: () => void;
}

/** One run with a session of its own. See Prober.run. */
export async function runProbe(
  options: ProberOptions,
  target: ProbeTarget,
  signal?: AbortSignal,
): Promise<ProbeResult> {
  const prober = new Prober(options);
  try {
    return await prober.run(target, signal);
  } finally {
    await prober.close();
  }
}

/**
 * A user-mode WireGuard peer that finds out whether a gateway carries packets to Services, as a laptop would. Its
 * session lives on between runs, so that a run costs two packets per question and no handshake.
 */
export class Prober {
  readonly #options: ProberOptions;
  readonly #source: Uint8Array;
  #tunnel: { readonly name: string; readonly udp: UdpTunnel } | undefined;
  #handshakeMs = 0;
  #lastTimestamp: Uint8Array | undefined;
  #run: Run | undefined;
  /** Set while a run is under way, from its very first moment. */
  #closing: AbortController | undefined;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#source = addressBytes(options.source);
  }

  /**
   * Probes once. What is wrong with gateway, DNS or Service is a result; it throws for a socket that cannot be opened, an
   * aborted signal, a target of another address family than the source, and a run while another is under way.
   */
  async run(target: ProbeTarget, signal?: AbortSignal): Promise<ProbeResult> {
    if (this.#closing !== undefined) throw new Error('a probe is already running');
    const closing = new AbortController();
    this.#closing = closing;
    try {
      return await this.#runUntil(
        signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]),
        target,
      );
    } finally {
      this.#closing = undefined;
      if (closing.signal.aborted) await this.#closeTunnel();
    }
  }

  /** Ends the session, and a run under way with an error. The prober may be used again afterwards. */
  async close(): Promise<void> {
    this.#closing?.abort(new Error('the prober was closed'));
    await this.#closeTunnel();
  }

  async #runUntil(end: AbortSignal, target: ProbeTarget): Promise<ProbeResult> {
    end.throwIfAborted();
    const plan = this.#planOf(target);
    const udp = await this.#tunnelTo(target);
    end.throwIfAborted();
    const result = await this.#outcome(plan, udp, end);
    if (result.handshakeMs !== undefined) this.#handshakeMs = result.handshakeMs;
    if (!result.ok && result.step === 'handshake') await this.#closeTunnel();
    return result;
  }

  #planOf(target: ProbeTarget): ProbePlan {
    const { dns, tcp } = target;
    const family = addressFamily(this.#options.source);
    if (addressFamily(tcp.address) !== family || (dns !== undefined && addressFamily(dns.server) !== family))
      throw new RangeError(`a probe from ${this.#options.source} cannot reach addresses of the other family`);
    const name = dns && {
      server: addressBytes(dns.server),
      name: dns.name,
      type: dns.type ?? (family === 4 ? 'A' : 'AAAA'),
    };
    const targets = { dns: name, tcp: { address: addressBytes(tcp.address), port: tcp.port } };
    return {
      gateway: {
        endpoint: endpointOf(target.endpoint.address, target.endpoint.port),
        publicKey: target.peerPublicKey,
        probePublicKey: publicKeyOf(this.#options.privateKey),
      },
      questions: probeQuestions(this.#source, targets, this.#options.randomBytes(QUESTION_RANDOM_BYTES)),
      timeouts: this.#options.timeouts,
    };
  }

  /** The standing tunnel if it leads to this gateway with these keys, or a new one. */
  async #tunnelTo(target: ProbeTarget): Promise<UdpTunnel> {
    const { peerPublicKey, presharedKey, endpoint } = target;
    const name = JSON.stringify([peerPublicKey, presharedKey ?? null, endpoint.address, endpoint.port]);
    if (this.#tunnel?.name === name) return this.#tunnel.udp;
    await this.#closeTunnel();
    const udp = await UdpTunnel.open({
      config: {
        ...SESSION_DEFAULTS,
        retryMs: HANDSHAKE_RETRY_MS,
        local: curveKeys(keyBytes(this.#options.privateKey)),
        peerPublicKey: keyBytes(peerPublicKey),
        presharedKey: presharedKey === undefined ? new Uint8Array(KEY_LENGTH) : keyBytes(presharedKey),
      },
      endpoint,
      lastTimestamp: this.#lastTimestamp,
      clock: this.#options.clock,
      randomBytes: this.#options.randomBytes,
      onEvent: (event) => this.#hear(event),
    });
    this.#tunnel = { name, udp };
    return udp;
  }

  async #closeTunnel(): Promise<void> {
    const tunnel = this.#tunnel;
    this.#tunnel = undefined;
    this.#lastTimestamp = tunnel?.udp.lastTimestamp ?? this.#lastTimestamp;
    await tunnel?.udp.close();
  }

  #outcome(plan: ProbePlan, udp: UdpTunnel, end: AbortSignal): Promise<ProbeResult> {
    const { promise, resolve, reject } = Promise.withResolvers<ProbeResult>();
    const abort = () => reject(end.reason);
    end.addEventListener('abort', abort, { once: true });
    const standing = udp.isUp ? { handshakeMs: this.#handshakeMs } : undefined;
    const first = startProbe(plan, standing, this.#options.clock.monotonic());
    this.#run = { probe: first.probe, finish: resolve, cancelTimer: () => {} };
    this.#carryOut(first);
    return promise.finally(() => {
      end.removeEventListener('abort', abort);
      this.#run?.cancelTimer();
      this.#run = undefined;
    });
  }

  #hear(event: TunnelEvent): void {
    if (event.kind === 'receive') this.#receive(event.packet);
    else if (event.kind === 'established' || event.kind === 'undeliverable') this.#advance(event);
    else if (event.kind === 'refused' && event.ofHandshake) this.#advance(event);
  }

  #receive(packet: Uint8Array): void {
    if (this.#run !== undefined && concerns(this.#run.probe, packet)) {
      this.#advance({ kind: 'packet', packet });
      return;
    }
    const reply = reflexTo(packet, this.#source);
    if (reply !== undefined) this.#tunnel?.udp.send(reply);
  }

  #advance(event: ProbeEvent): void {
    if (this.#run === undefined) return;
    const turn = advanceProbe(this.#run.probe, event, this.#options.clock.monotonic());
    this.#run.probe = turn.probe;
    this.#carryOut(turn);
  }

  #carryOut(turn: ProbeTurn): void {
    this.#arm();
    for (const effect of turn.effects) {
      if (effect.kind === 'connect') this.#tunnel?.udp.connect();
      else if (effect.kind === 'send') this.#tunnel?.udp.send(effect.packet);
      else this.#run?.finish(effect.result);
    }
  }

  #arm(): void {
    const run = this.#run;
    if (run === undefined) return;
    run.cancelTimer();
    const due = nextProbeTick(run.probe);
    if (due === undefined) return;
    const delay = Math.max(0, Math.ceil(due - this.#options.clock.monotonic()));
    run.cancelTimer = this.#options.clock.timer(delay, () => this.#advance({ kind: 'tick' }));
  }
}
