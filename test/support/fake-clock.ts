import type { Clock } from '../../src/runtime/clock.ts';

interface Pending {
  readonly at: number;
  readonly callback: () => void;
}

/** Time that moves only when a test says so. Both clocks begin together, at an arbitrary hour. */
export class ManualClock implements Clock {
  readonly #pending = new Set<Pending>();
  #elapsed = 0;

  now(): number {
    return Date.UTC(2026, 0, 1) + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  timer(ms: number, callback: () => void): () => void {
    const entry = { at: this.#elapsed + ms, callback };
    this.#pending.add(entry);
    return () => this.#pending.delete(entry);
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Moves on; every timer that falls due is called at its time, and what it starts gets to run before the next. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    await turn();
    for (let next = this.#earliest(end); next !== undefined; next = this.#earliest(end)) {
      this.#pending.delete(next);
      this.#elapsed = next.at;
      next.callback();
      await turn();
    }
    this.#elapsed = end;
  }

  #earliest(end: number): Pending | undefined {
    const due = [...this.#pending].filter(({ at }) => at <= end);
    return due.sort((a, b) => a.at - b.at)[0];
  }
}

/**
 * Time that a single waiter rides through: every wait ends at once, and has then taken as long as was asked for. Hours
 * of back-off pass in milliseconds.
 */
export class SkippingClock implements Clock {
  /** Every wait that ended, in order. */
  readonly waits: number[] = [];
  readonly #pending = new Set<NodeJS.Immediate>();
  #elapsed = 0;

  now(): number {
    return Date.UTC(2026, 0, 1) + this.#elapsed;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  /** How many timers wait. */
  get pending(): number {
    return this.#pending.size;
  }

  timer(ms: number, callback: () => void): () => void {
    const at = this.#elapsed + ms;
    const entry = setImmediate(() => {
      this.#pending.delete(entry);
      this.#elapsed = Math.max(this.#elapsed, at);
      this.waits.push(ms);
      callback();
    });
    this.#pending.add(entry);
    return () => {
      this.#pending.delete(entry);
      clearImmediate(entry);
    };
  }

  /** Lets time pass without anybody waiting for it. */
  pass(ms: number): void {
    this.#elapsed += ms;
  }
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
