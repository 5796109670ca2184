import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { nextTick, type SessionEvent, step } from './session.ts';
import { newSession, type Session, type SessionConfig, type SessionEffect } from './session-state.ts';
import { isUsable } from './transport.ts';

/** The time, as a tunnel needs it; the program's own clock fits. */
export interface TunnelClock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Milliseconds that only grow. */
  monotonic(): number;
  /** Calls back once after `ms`; the answer cancels it. */
  timer(ms: number, callback: () => void): () => void;
}

export interface TunnelOptions {
  readonly config: SessionConfig;
  readonly endpoint: { readonly address: string; readonly port: number };
  /** That of an earlier tunnel with the same keys. */
  readonly lastTimestamp?: Uint8Array | undefined;
  readonly clock: TunnelClock;
  readonly randomBytes: (length: number) => Uint8Array;
  readonly onEvent: (event: TunnelEvent) => void;
}

/** What a tunnel reports: the session's effects but for what is sent, and what the socket could not deliver. */
export type TunnelEvent =
  | Exclude<SessionEffect, { readonly kind: 'send' }>
  | { readonly kind: 'undeliverable'; readonly code: string };

/** A session with a UDP socket and a timer: the only place of the user-mode client that touches the network. */
export class UdpTunnel {
  readonly #options: TunnelOptions;
  readonly #socket: Socket;
  #session: Session;
  #cancelTimer: () => void = () => {};
  #closed = false;

  private constructor(options: TunnelOptions, socket: Socket) {
    this.#options = options;
    this.#socket = socket;
    this.#session = newSession(options.config, options.lastTimestamp);
    socket.on('message', (datagram) => this.#take({ kind: 'datagram', datagram: plain(datagram) }));
    socket.on('error', (error) => this.#undeliverable(error));
  }

  /** A tunnel over a socket that is connected, so that a closed port is reported (ICMP) instead of waited for. */
  static async open(options: TunnelOptions): Promise<UdpTunnel> {
    const { address, port } = options.endpoint;
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
    try {
      socket.connect(port, address);
      await once(socket, 'connect');
    } catch (cause) {
      socket.close();
      throw new Error(`open a UDP socket to ${address} port ${port}`, { cause });
    }
    return new UdpTunnel(options, socket);
  }

  /** True while packets can be sent without a handshake. Whether the peer still knows the session shows only its answer. */
  get isUp(): boolean {
    const { current } = this.#session;
    return current !== undefined && isUsable(current, this.#options.clock.monotonic());
  }

  /** The newest handshake timestamp that was used, for the next tunnel with the same keys. */
  get lastTimestamp(): Uint8Array | undefined {
    return this.#session.lastTimestamp;
  }

  /** Sends an IP packet; it waits for a handshake if there is no session. */
  send(packet: Uint8Array): void {
    this.#take({ kind: 'packet', packet });
  }

  /** Asks for a handshake, even if there is a session. */
  connect(): void {
    this.#take({ kind: 'connect' });
  }

  /** Ends the tunnel; no event comes afterwards. Closing twice is no error. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelTimer();
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #take(event: SessionEvent): void {
    if (this.#closed) return;
    const { clock, randomBytes } = this.#options;
    const next = step(this.#session, event, { now: clock.monotonic(), unixMs: clock.now(), randomBytes });
    this.#session = next.session;
    this.#arm();
    for (const effect of next.effects) this.#carryOut(effect);
  }

  #carryOut(effect: SessionEffect): void {
    if (this.#closed) return;
    if (effect.kind === 'send')
      this.#socket.send(effect.datagram, (error) => {
        if (error) this.#undeliverable(error);
      });
    else this.#options.onEvent(effect);
  }

  #undeliverable(error: NodeJS.ErrnoException): void {
    if (!this.#closed) this.#options.onEvent({ kind: 'undeliverable', code: error.code ?? error.message });
  }

  #arm(): void {
    this.#cancelTimer();
    const due = nextTick(this.#session);
    if (due === undefined) return;
    const delay = Math.max(0, Math.ceil(due - this.#options.clock.monotonic()));
    this.#cancelTimer = this.#options.clock.timer(delay, () => this.#take({ kind: 'tick' }));
  }
}

/** Without Buffer's own slice, which shares memory where Uint8Array's copies. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}
