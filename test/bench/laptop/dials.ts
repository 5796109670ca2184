import { fileURLToPath } from 'node:url';
import type { Laptop } from '../../lab/laptop.ts';
import { poll } from '../../lab/progress.ts';
import { type Attempt, type Dialled, dialledBetween } from './dialled.ts';
import { type Outage, outage } from './outage.ts';

const PROGRAM = fileURLToPath(new URL('programs/dial.ts', import.meta.url));
export const EVERY_MS = 20;
const PATIENCE_MS = 500;
/** What breaks a path may take effect so long afterwards; and so long it must work again before it counts as mended. */
const SETTLED_MS = 3_000;
/** As soon as there were so many answers, they come. */
const STEADY = 100;

/** How a laptop dials. */
export interface Dialling {
  readonly port?: number;
  /** How long a connection may take before it is given up. Default: so long that none waits for a repeated first packet. */
  readonly patienceMs?: number;
  /** What counts as an answer: that it is accepted (tcp), or that a request on it is answered (http). */
  readonly kind?: 'tcp' | 'http';
}

/** A laptop's new connections to a Service, one begun after the other, whether the one before was answered or not. */
export class Dials {
  readonly #stopping = new AbortController();
  readonly #ended: Promise<unknown>;
  readonly #answers: number[] = [];
  /** How each one ended, by its number; without an entry it has not yet. */
  readonly #attempts: (Attempt | undefined)[] = [];
  #rest = '';
  #failure: Error | undefined;

  constructor(laptop: Laptop, address: string, { port = 80, patienceMs = PATIENCE_MS, kind = 'tcp' }: Dialling = {}) {
    const numbers = [port, EVERY_MS, patienceMs].map(String);
    const argv = [process.execPath, PROGRAM, address, ...numbers, kind];
    const onOutput = (text: string) => this.#take(text);
    this.#ended = laptop.exec(argv, { signal: this.#stopping.signal, onOutput }).then(
      ({ stderr }) => this.#fail(new Error(`dialling ended: ${stderr}`)),
      (error: Error) => this.#fail(error),
    );
  }

  /** Waits until answers come. Resolves with the longest pause between two of a while, in milliseconds. @throws when none come */
  async flow(): Promise<number> {
    const began = this.#answers.length;
    await poll('connections to be answered', async () => this.#since(began, STEADY));
    const since = now();
    await poll('a quiet while', async () => (now() - since >= SETTLED_MS ? true : undefined));
    return this.outage(since).ms;
  }

  /** What the answers since then say now. */
  outage(since: number): Outage {
    if (this.#failure !== undefined) throw this.#failure;
    return outage(this.#answers, since, now());
  }

  /** The outage by what happened then, once it is over, or so long as it has lasted when that much time has passed. */
  async mended(since: number, boundMs: number): Promise<Outage> {
    return poll(
      'answers',
      async () => {
        const seen = this.outage(since);
        const isSettled = seen.overAt !== undefined && now() - Math.max(since, seen.overAt) >= SETTLED_MS;
        return isSettled || now() - since >= boundMs ? seen : undefined;
      },
      { timeout: boundMs + SETTLED_MS },
    );
  }

  /** The connections that were begun between these moments, once it is known of each how it ended. @throws when that does not come */
  async dialled(from: number, to: number): Promise<Dialled> {
    return poll('an end of each connection', async () => {
      if (this.#failure !== undefined) throw this.#failure;
      return dialledBetween(this.#attempts, from, to);
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  #since(count: number, more: number): true | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    return this.#answers.length >= count + more ? true : undefined;
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const [number = 0, began = 0, answered] = line.split(' ').map(Number);
      this.#attempts[number] = { began, answered: answered !== undefined };
      if (answered !== undefined) this.#answers.push(answered);
    }
  }

  #fail(error: Error): void {
    this.#failure = error;
  }
}

/** The clock of the answers: monotonic milliseconds, the same for all processes of the machine. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
