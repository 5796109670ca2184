import type { Laptop } from './laptop.ts';

export type TrafficKind = 'datagrams' | 'stream';

const SOURCE = `${import.meta.dirname}/traffic-source.ts`;
const EVERY_MS = 50;

/**
 * Has the laptop's connections ask every second for what does not come, instead of ever more rarely, and not give up. Kernels
 * before 6.15 cannot do the former, and tests that wait for a connection take longer there.
 */
export async function askSoonAndLong(laptop: Laptop): Promise<void> {
  await laptop.exec(['sysctl', '-qw', 'net.ipv4.tcp_retries2=255']);
  await laptop.exec(['sysctl', '-qw', 'net.ipv4.tcp_rto_max_ms=1000']);
}

/** Traffic that a laptop keeps up until it is stopped, and when it got answers; see traffic-source.ts for the kinds. */
export class Traffic {
  readonly #answers: number[] = [];
  readonly #numbers: number[] = [];
  readonly #stopping = new AbortController();
  readonly #waiting = new Set<() => void>();
  readonly #ended: Promise<unknown>;
  #rest = '';
  #closed: { readonly at: number; readonly reason: string } | undefined;

  constructor(laptop: Laptop, kind: TrafficKind, address: string, port = 80, everyMs = EVERY_MS) {
    const argv = [process.execPath, SOURCE, kind, address, String(port), String(everyMs)];
    const running = laptop.exec(argv, { signal: this.#stopping.signal, onOutput: (text) => this.#take(text) });
    this.#ended = running.catch(() => undefined);
  }

  /** When the last answer came, in milliseconds since the epoch; undefined before the first. */
  get lastAnswer(): number | undefined {
    return this.#answers.at(-1);
  }

  /** When and why the connection of a stream ended; undefined while it has not. */
  get closed(): { readonly at: number; readonly reason: string } | undefined {
    return this.#closed;
  }

  /** The answers that came after this moment. */
  answersAfter(moment: number): readonly number[] {
    return this.#answers.filter((answer) => answer > moment);
  }

  /**
   * How many datagrams were sent, and how many of them never came back, between the first and the last that came back after this
   * moment. Whoever wants the loss of all that was sent until now waits for another answer first.
   */
  lossAfter(moment: number): { readonly sent: number; readonly lost: number } {
    const numbers = this.#numbers.filter((_, index) => (this.#answers[index] ?? 0) > moment);
    const sent = numbers.length === 0 ? 0 : Math.max(...numbers) - Math.min(...numbers) + 1;
    return { sent, lost: sent - new Set(numbers).size };
  }

  /** The longest time without an answer between these moments, in milliseconds. */
  longestGap(from: number, to: number): number {
    const inside = this.#answers.filter((answer) => answer >= from && answer <= to);
    const marks = [from, ...inside, to];
    return Math.max(...marks.slice(1).map((mark, index) => mark - (marks[index] ?? mark)));
  }

  /** The first answer after this moment, as soon as it has come. @throws after `seconds` without one. */
  async answerAfter(moment: number, seconds = 30): Promise<number> {
    const find = () => this.answersAfter(moment)[0];
    return this.#await(`an answer after ${new Date(moment).toISOString()}`, find, seconds);
  }

  /** The end of a stream's connection, as soon as it has come. @throws after `seconds` without it. */
  async untilClosed(seconds = 30): Promise<{ readonly at: number; readonly reason: string }> {
    return this.#await('the end of the connection', () => this.#closed, seconds);
  }

  /** Ends it, and resolves once it has ended. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const [what, at = '', ...reason] = line.split(' ');
      if (what === 'ok') {
        this.#answers.push(Number(at));
        this.#numbers.push(Number(reason[0]));
      } else if (what === 'closed') this.#closed = { at: Number(at), reason: reason.join(' ') };
    }
    for (const wake of [...this.#waiting]) wake();
  }

  async #await<T>(what: string, find: () => T | undefined, seconds: number): Promise<T> {
    const found = find();
    if (found !== undefined) return found;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const last = () => new Error(`waited ${seconds} s in vain for ${what}; the last answer came ${this.#ago()}`);
    const timer = setTimeout(() => reject(last()), seconds * 1000);
    const wake = () => {
      const now = find();
      if (now !== undefined) resolve(now);
    };
    this.#waiting.add(wake);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(wake);
    }
  }

  #ago(): string {
    return this.lastAnswer === undefined ? 'never' : `${((Date.now() - this.lastAnswer) / 1000).toFixed(1)} s ago`;
  }
}
