import { LATE_MS } from '../mesh/takeover/insisting.ts';
import type { Timers } from '../runtime/timers.ts';

export interface LateCallsOptions {
  readonly timers: Timers;
  /** Somebody has had the time to come. */
  readonly onDue: () => void;
}

/** Who was called, and is to be called anew should it not have come in LATE_MS: what it was sent was lost, or never sent. */
export class LateCalls<T> {
  readonly #options: LateCallsOptions;
  #late: readonly T[] = [];

  constructor(options: LateCallsOptions) {
    this.#options = options;
  }

  /** These were called now. */
  take(called: readonly T[]): void {
    const { timers, onDue } = this.#options;
    timers.later(LATE_MS, () => {
      this.#late = [...this.#late, ...called];
      onDue();
    });
  }

  /** Hands over who has had its time; again the next time, should that fail. */
  async act(callAnew: (late: readonly T[]) => Promise<void>): Promise<void> {
    const late = this.#late;
    if (late.length === 0) return;
    await callAnew(late);
    // More may have become late meanwhile.
    this.#late = this.#late.slice(late.length);
  }
}
