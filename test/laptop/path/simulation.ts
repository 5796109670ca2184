import { advancePath } from '../../../src/laptop/path/advance.ts';
import type { Counters } from '../../../src/laptop/path/silence.ts';
import {
  type Candidate,
  newPath,
  type PathEffect,
  type PathEvent,
  type PathState,
} from '../../../src/laptop/path/state.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';
import { type Conditions, Path, PERFECT } from '../../support/bad-network/path.ts';

export const TICK_MS = 100;
const SET_MS = 30;
const PACKET = new Uint8Array(60);
/** Of a race, as src/usermode/race.ts holds it. */
const RACE = { stepMs: 50, retryMs: 400, timeoutMs: 2_000, settleMs: 35 };
/** WireGuard repeats an initiation that was not answered. */
const HANDSHAKE_RETRY_MS = 5_000;

/** A node of the gateway: the way to it, and what it does with what comes. */
export interface SimulatedNode {
  up: Partial<Conditions>;
  down: Partial<Conditions>;
  /** Answers handshakes and nothing that comes through the tunnel. */
  isMute: boolean;
  /** Changed by a restart: sessions from before are unknown. */
  life: number;
}

/** What an effect was, and when. */
export interface Logged {
  readonly at: number;
  readonly effect: PathEffect;
}

/**
 * The path of a laptop to a gateway with several nodes, all of it in one process and by a clock of its own: networks by the seeded bad network,
 * WireGuard as far as a path sees it (a session begins with a round trip, and is unknown to a node that has restarted), checks and races
 * as the laptop makes them.
 */
export class Simulation {
  now = 0;
  /** Milliseconds that the machine has slept. */
  slept = 0;
  readonly log: Logged[] = [];
  readonly nodes: readonly SimulatedNode[];
  state: PathState;
  readonly #paths: readonly { readonly up: Path; readonly down: Path }[];
  #queue: { readonly at: number; readonly job: unknown; readonly act: () => void }[] = [];
  #counters: Counters = { rxPackets: 0, rxBytes: 0, txPackets: 0, txBytes: 0 };
  #job = {};
  #session: { readonly place: number; readonly life: number } | undefined;
  #handshakeAt = Number.NEGATIVE_INFINITY;
  readonly #waiting: (() => void)[] = [];
  #checkedAt = Number.NEGATIVE_INFINITY;

  constructor(seed: number, ...conditions: readonly Partial<Conditions>[]) {
    this.nodes = conditions.map((one) => ({ up: one, down: one, isMute: false, life: 0 }));
    this.#paths = conditions.map((_, place) => ({
      up: new Path(seed + 2 * place),
      down: new Path(seed + 2 * place + 1),
    }));
    const rttMs = 2 * (conditions[0]?.delayMs ?? 0);
    this.state = newPath({ ...candidate(0), rttMs }, true, this.#moment());
    this.#tick();
  }

  /** The place of the node that is dialled. */
  get present(): number {
    return placeOf(this.state.standing.address);
  }

  count(kind: PathEffect['kind']): number {
    return this.log.filter(({ effect }) => effect.kind === kind).length;
  }

  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.#queue.toSorted((one, other) => one.at - other.at)[0];
      if (next === undefined || next.at > end) break;
      this.#queue = this.#queue.filter((entry) => entry !== next);
      this.now = next.at;
      next.act();
    }
    this.now = end;
  }

  later(ms: number, act: () => void, job?: unknown): void {
    this.#queue.push({ at: this.now + ms, job, act });
  }

  tell(event: PathEvent): void {
    const turn = advancePath(this.state, event, this.#moment());
    this.state = turn.state;
    for (const effect of turn.effects) {
      this.log.push({ at: this.now, effect });
      this.#carryOut(effect);
    }
  }

  /** Sends a packet into the tunnel; calls back with each answer that comes. */
  send(answered: (() => void) | undefined): void {
    this.#count('tx');
    this.#afterHandshake(() => this.#through(answered));
  }

  /** An application that asks for something and repeats that after a second and so on until it is answered, like TCP; tells how long it took. */
  request(done: (ms: number) => void, began = this.now, repeatMs = 1_000): void {
    let isDone = false;
    this.send(() => {
      if (isDone) return;
      isDone = true;
      done(this.now - began);
    });
    this.later(repeatMs, () => {
      if (isDone) return;
      isDone = true;
      this.request(done, began, Math.min(repeatMs * 2, 8_000));
    });
  }

  #moment() {
    return { now: this.now, unixMs: 1_800_000_000_000 + this.now + this.slept };
  }

  #tick(): void {
    this.tell({ kind: 'tick', counters: this.#counters, isOurs: this.now - this.#checkedAt <= 1.5 * TICK_MS });
    this.later(TICK_MS, () => this.#tick());
  }

  #carryOut(effect: PathEffect): void {
    if (effect.kind === 'tell') return;
    this.#leave();
    if (effect.kind === 'check') this.#check(effect.timeoutMs);
    if (effect.kind === 'race') this.#race(effect);
    if (effect.kind === 'set') this.#soon(SET_MS, () => this.#set(placeOf(effect.to.address)));
  }

  #check(timeoutMs: number): void {
    const end = this.#once((rttMs: number | undefined) => this.tell({ kind: 'checked', rttMs }));
    for (const part of [0, 1, 2])
      this.#soon((part * timeoutMs) / 3, () => {
        const sent = this.now;
        this.send(() => end(this.now - sent));
      });
    for (let at = 0; at <= timeoutMs; at += TICK_MS / 2)
      this.#soon(at, () => {
        this.#checkedAt = this.now;
      });
    this.#soon(timeoutMs, () => end(undefined));
  }

  #race({ avoid }: Extract<PathEffect, { readonly kind: 'race' }>): void {
    let isWon = false;
    const end = this.#once((winner: (Candidate & { readonly rttMs: number }) | undefined) =>
      this.tell({ kind: 'raced', winner }),
    );
    const order = [this.present, ...this.nodes.keys()].filter((place, index, all) => all.indexOf(place) === index);
    const lanes = order.filter((place) => !avoid.includes(candidate(place).address));
    for (const [lane, place] of lanes.entries())
      for (let at = lane * RACE.stepMs; at < RACE.timeoutMs; at += RACE.retryMs)
        this.#soon(at, () => {
          const sent = this.now;
          this.#roundTrip(place, () => {
            if (isWon) return;
            isWon = true;
            const winner = { ...candidate(place), rttMs: this.now - sent };
            this.later(RACE.settleMs, () => end(winner));
          });
        });
    this.#soon(lanes.length === 0 ? 0 : RACE.timeoutMs, () => !isWon && end(undefined));
  }

  /** As `later`, unless something else takes the place of what is under way. */
  #soon(ms: number, act: () => void): void {
    this.later(ms, act, this.#job);
  }

  /** Ends what is under way now with an outcome; nothing happens when it was given up or has ended. */
  #once<T>(act: (outcome: T) => void): (outcome: T) => void {
    const job = this.#job;
    return (outcome) => {
      if (job !== this.#job) return;
      this.#leave();
      act(outcome);
    };
  }

  #leave(): void {
    this.#queue = this.#queue.filter(({ job }) => job !== this.#job);
    this.#job = {};
  }

  #set(place: number): void {
    this.#session = undefined;
    this.#handshakeAt = Number.NEGATIVE_INFINITY;
    this.tell({ kind: 'set', ok: true });
    if (this.present !== place) throw new Error('a set endpoint is the present one');
  }

  /** Packets wait for a session; its first one begins a handshake, as any after the retry time does. */
  #afterHandshake(go: () => void): void {
    const { present } = this;
    if (this.#session?.place === present) {
      go();
      return;
    }
    this.#waiting.push(go);
    if (this.now - this.#handshakeAt < HANDSHAKE_RETRY_MS) return;
    this.#handshakeAt = this.now;
    this.#roundTrip(present, () => {
      if (this.present !== present) return;
      this.#session = { place: present, life: this.nodes[present]?.life ?? 0 };
      for (const act of this.#waiting.splice(0)) act();
    });
  }

  #through(answered: (() => void) | undefined): void {
    const session = this.#session;
    if (session === undefined) return;
    const node = this.nodes[session.place];
    if (node === undefined || node.isMute || node.life !== session.life) return;
    if (answered === undefined) return;
    this.#roundTrip(session.place, () => {
      if (this.#session !== session) return;
      this.#count('rx');
      answered();
    });
  }

  #roundTrip(place: number, back: () => void): void {
    const [node, path] = [this.nodes[place], this.#paths[place]];
    if (node === undefined || path === undefined) return;
    for (const there of path.up.cross(PACKET, this.now, { ...PERFECT, ...node.up }))
      for (const home of path.down.cross(PACKET, there.at, { ...PERFECT, ...node.down }))
        this.later(home.at - this.now, back);
  }

  #count(direction: 'rx' | 'tx'): void {
    const one = this.#counters;
    this.#counters =
      direction === 'rx'
        ? { ...one, rxPackets: one.rxPackets + 1, rxBytes: one.rxBytes + 60 }
        : { ...one, txPackets: one.txPackets + 1, txBytes: one.txBytes + 60 };
  }
}

/** The endpoint of the node at a place. */
export function candidate(place: number): Candidate {
  const address = `192.0.2.${place + 1}:51840` as Endpoint;
  return { endpoint: address, address };
}

function placeOf(address: Endpoint): number {
  return Number(/\.(\d+):/.exec(address)?.[1]) - 1;
}
