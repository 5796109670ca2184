import type { Clock } from './clock.ts';

/** Timers that end together, after which none begins: what was under way when its owner ended may still ask for one. */
export class Timers {
  readonly #clock: Pick<Clock, 'timer'>;
  readonly #cancels = new Set<() => void>();
  #hasEnded = false;

  constructor(clock: Pick<Clock, 'timer'>) {
    this.#clock = clock;
  }

  /** Calls back once after `ms`, unless they end before; the answer cancels it. */
  later(ms: number, callback: () => void): () => void {
    if (this.#hasEnded) return () => undefined;
    const forget = () => this.#cancels.delete(cancel);
    const stop = this.#clock.timer(ms, () => {
      forget();
      callback();
    });
    const cancel = () => {
      forget();
      stop();
    };
    this.#cancels.add(cancel);
    return cancel;
  }

  end(): void {
    this.#hasEnded = true;
    for (const cancel of this.#cancels) cancel();
  }
}
