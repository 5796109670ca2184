import { isDeepStrictEqual } from 'node:util';
import type { Liveness } from '../api/meshgatewaynode.ts';
import type { Trust } from '../mesh/takeover/candidates.ts';
import { NodeStandings } from '../mesh/takeover/node-standings.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Timers } from '../runtime/timers.ts';
import { Neighbours, type NeighboursOptions } from './neighbours.ts';

export interface DeathsOptions extends Omit<NeighboursOptions, 'heard'> {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** What this node's report says of the others has changed, and is to be told at once. */
  readonly onNews: () => void;
  /** Somebody may have died or come back. */
  readonly onChange: () => void;
}

/** Which of the gateway's other nodes are dead: asks those next to this one, and hears what all report. */
export class Deaths {
  readonly #options: DeathsOptions;
  readonly #standings: NodeStandings;
  readonly #neighbours: Neighbours;
  #dead: ReadonlySet<string> = new Set();
  #cancelTick: () => void = () => undefined;
  /** Since when news of this node's wait to be told; undefined when all are. */
  #newsSince: number | undefined;

  constructor(options: DeathsOptions) {
    this.#options = options;
    this.#standings = new NodeStandings(options.node);
    this.#neighbours = new Neighbours({ ...options, heard: (node, answers) => this.#heard(node, answers) });
  }

  /** Whether this node was dead when it was last judged. */
  has(node: string): boolean {
    return this.#dead.has(node);
  }

  /** Whether a session with this node is worth nothing. */
  isDead(node: string): boolean {
    return this.#standings.isDead(node);
  }

  trustIn(node: string): Trust {
    const { node: self, clock } = this.#options;
    return node === self ? 'steady' : this.#standings.trustIn(node, clock.monotonic());
  }

  /** What this node's report is to say of the others, and of itself. */
  report(): ReturnType<NodeStandings['report']> {
    return this.#standings.report();
  }

  /** Takes in what a node's report says now, or that it is gone, and asks those who are next to this one from then on, until the signal is aborted. */
  take(node: string, before: Liveness | undefined, after: Liveness | undefined, signal: AbortSignal): void {
    const { clock, node: self } = this.#options;
    if (node === self) this.#takeOwn(after);
    const said = this.#said();
    this.#standings.take(node, before, after, clock.monotonic());
    this.#tellNews(said);
    this.#neighbours.follow(signal);
  }

  /** Looks who has died, and when somebody may next. Says who is dead no more. */
  judge(): readonly string[] {
    const { log } = this.#options;
    const before = this.#dead;
    this.#dead = new Set(this.#standings.dead);
    for (const lost of this.#dead)
      if (!before.has(lost)) log.warn({ lost }, 'a node of the gateway is dead or cut off');
    const returned = [...before].filter((node) => !this.#dead.has(node));
    for (const node of returned) log.info({ node }, 'a node of the gateway is back, or gone for good');
    this.#armTick();
    return returned;
  }

  /** Asks nobody any more. */
  stop(): void {
    this.#neighbours.stop();
  }

  #heard(node: string, answers: boolean): void {
    const { clock, onChange } = this.#options;
    const said = this.#said();
    this.#standings.heard(node, answers, clock.monotonic());
    if (this.#tellNews(said)) onChange();
  }

  /** Its own report comes back to it as it comes to others, which tells how long that takes. */
  #takeOwn(liveness: Liveness | undefined): void {
    if (this.#newsSince === undefined) return;
    const { unreachable, answered } = liveness ?? {};
    if (!isDeepStrictEqual({ unreachable, answered }, this.#standings.report())) return;
    this.#standings.takeRoundTrip(this.#options.clock.monotonic() - this.#newsSince);
    this.#newsSince = undefined;
  }

  #said(): string {
    return JSON.stringify(this.#standings.report());
  }

  #tellNews(before: string): boolean {
    if (this.#said() === before) return false;
    this.#newsSince ??= this.#options.clock.monotonic();
    this.#options.onNews();
    return true;
  }

  #armTick(): void {
    const { clock, timers, onChange } = this.#options;
    const { nextTick } = this.#standings;
    this.#cancelTick();
    if (nextTick === undefined) return;
    this.#cancelTick = timers.later(Math.max(0, nextTick - clock.monotonic()), () => {
      const said = this.#said();
      this.#standings.tick(clock.monotonic());
      this.#tellNews(said);
      onChange();
    });
  }
}
