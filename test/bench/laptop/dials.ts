import { fileURLToPath } from 'node:url';
import type { Laptop } from '../../lab/laptop.ts';
import { poll } from '../../lab/progress.ts';
import { type Outage, outage } from './outage.ts';

const PROGRAM = fileURLToPath(new URL('programs/dial.ts', import.meta.url));
export const EVERY_MS = 20;
const PATIENCE_MS = 500;
/** What breaks a path may take effect so long afterwards; and so long it must work again before it counts as mended. */
const SETTLED_MS = 3_000;
/** As soon as there were so many answers, they come. */
const STEADY = 100;

/** A laptop's new connections to a Service, one begun after the other, whether the one before was answered or not. */
export class Dials {
  readonly #stopping = new AbortController();
  readonly #ended: Promise<unknown>;
  readonly #answers: number[] = [];
  #rest = '';
  #failure: Error | undefined;

  constructor(laptop: Laptop, address: string, port = 80) {
    const argv = [process.execPath, PROGRAM, address, String(port), String(EVERY_MS), String(PATIENCE_MS)];
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
    this.#answers.push(...lines.map(Number));
  }

  #fail(error: Error): void {
    this.#failure = error;
  }
}

/** The clock of the answers: monotonic milliseconds, the same for all processes of the machine. */
export function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
