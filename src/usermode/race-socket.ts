import { createSocket, type Socket } from 'node:dgram';
import { addressFamily, type Family } from '../net/address.ts';
import { curveKeys, KEY_LENGTH } from '../net/curve-keys.ts';
import { keyBytes, type PresharedKey, type PrivateKey, type PublicKey } from '../net/key.ts';
import {
  advanceRace,
  nextRaceTick,
  RACE_TIMING,
  type Race,
  type RaceEndpoint,
  type RaceEvent,
  type RaceTiming,
  type RaceWinner,
  startRace,
} from './race.ts';
import type { TunnelClock } from './udp-tunnel.ts';

/** Who races, and to where. */
export interface RaceOptions {
  readonly privateKey: PrivateKey;
  readonly presharedKey?: PresharedKey | undefined;
  readonly peerPublicKey: PublicKey;
  /** Most preferred first. */
  readonly endpoints: readonly RaceEndpoint[];
  /** RACE_TIMING unless given. */
  readonly timing?: RaceTiming | undefined;
  /** By which it goes, and which stay open, for races one after the other; its own unless given. */
  readonly sockets?: RaceSockets | undefined;
  readonly clock: TunnelClock;
  readonly randomBytes: (length: number) => Uint8Array;
}

/**
 * Shakes hands with a gateway at all of its endpoints, and tells the first that answered; undefined when none did in time. No
 * session comes of it: not one packet of data is sent. An interface with the same key that dials the winner afterwards is answered at once.
 * An address that cannot be sent to is one that does not answer. Rejects with the signal's reason when it is aborted; nothing
 * stays open in any case. A gateway that has a session with the interface sends to the race's port until that interface next sends.
 */
export async function race(options: RaceOptions, signal?: AbortSignal): Promise<RaceWinner | undefined> {
  signal?.throwIfAborted();
  if (options.endpoints.length === 0) return undefined;
  const running = new RunningRace(options);
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal?.reason);
  signal?.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([running.ended, promise]);
  } finally {
    signal?.removeEventListener('abort', abort);
    await running.close();
  }
}

/** One socket for each address family among the endpoints, for cookies are bound to the port they were sent to. */
export class RaceSockets {
  /** Called with what comes. */
  onDatagram: (datagram: Uint8Array) => void = () => undefined;
  readonly #open = new Map<Family, Socket>();

  /** What cannot be sent (no route, no such family here) is a lost packet: the next attempt may get through. */
  send(datagram: Uint8Array, { address, port }: RaceEndpoint): void {
    this.#of(addressFamily(address)).send(datagram, port, address, () => undefined);
  }

  async close(): Promise<void> {
    const sockets = [...this.#open.values()];
    this.#open.clear();
    await Promise.all(sockets.map(closed));
  }

  #of(family: Family): Socket {
    const open = this.#open.get(family);
    if (open !== undefined) return open;
    const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
    this.#open.set(family, socket);
    socket.on('message', (datagram) => this.onDatagram(Uint8Array.from(datagram)));
    socket.on('error', () => undefined);
    return socket;
  }
}

class RunningRace {
  readonly #options: RaceOptions;
  readonly #sockets: RaceSockets;
  readonly #outcome = Promise.withResolvers<RaceWinner | undefined>();
  #race: Race;
  #cancelTimer: () => void = () => {};
  #closed = false;

  constructor(options: RaceOptions) {
    const { privateKey, presharedKey, peerPublicKey, endpoints, timing = RACE_TIMING, clock } = options;
    const identity = {
      local: curveKeys(keyBytes(privateKey)),
      peerPublicKey: keyBytes(peerPublicKey),
      presharedKey: presharedKey === undefined ? new Uint8Array(KEY_LENGTH) : keyBytes(presharedKey),
    };
    this.#options = options;
    this.#sockets = options.sockets ?? new RaceSockets();
    this.#sockets.onDatagram = (datagram) => this.#take({ kind: 'datagram', datagram });
    this.#race = startRace({ identity, endpoints, timing }, clock.monotonic());
    this.#cancelTimer = clock.timer(0, () => this.#take({ kind: 'tick' }));
  }

  get ended(): Promise<RaceWinner | undefined> {
    return this.#outcome.promise;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelTimer();
    if (this.#options.sockets === undefined) await this.#sockets.close();
  }

  #take(event: RaceEvent): void {
    if (this.#closed) return;
    const { clock, randomBytes } = this.#options;
    try {
      const turn = advanceRace(this.#race, event, { now: clock.monotonic(), unixMs: clock.now(), randomBytes });
      this.#race = turn.race;
      this.#arm();
      for (const effect of turn.effects) {
        if (effect.kind === 'send') this.#sockets.send(effect.datagram, effect.to);
        else this.#outcome.resolve(effect.winner);
      }
    } catch (error) {
      this.#outcome.reject(error);
    }
  }

  #arm(): void {
    const { clock } = this.#options;
    this.#cancelTimer();
    const delay = Math.max(0, Math.ceil(nextRaceTick(this.#race) - clock.monotonic()));
    this.#cancelTimer = clock.timer(delay, () => this.#take({ kind: 'tick' }));
  }
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(resolve));
}
