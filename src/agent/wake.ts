/** How closely to look, from cheap to dear; a dear look includes the cheaper ones. */
export type Look = 'calls' | 'arrivals' | 'touched' | 'peers' | 'all';

const ORDER: readonly Look[] = ['calls', 'arrivals', 'touched', 'peers', 'all'];

/** Collects wishes for a look while one is under way, so that any number of them costs one more look. */
export class Wake {
  #wished: Look | undefined;
  #waiter: (() => void) | undefined;

  /** Wishes for a look at least as close as this. */
  wish(look: Look): void {
    if (this.#wished === undefined || ORDER.indexOf(look) > ORDER.indexOf(this.#wished)) this.#wished = look;
    this.#waiter?.();
  }

  /** The next look that is wished for; undefined once the signal is aborted. */
  async next(signal: AbortSignal): Promise<Look | undefined> {
    while (!signal.aborted) {
      const look = this.#wished;
      this.#wished = undefined;
      if (look !== undefined) return look;
      await this.#wait(signal);
    }
    return undefined;
  }

  #wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        signal.removeEventListener('abort', done);
        this.#waiter = undefined;
        resolve();
      };
      this.#waiter = done;
      signal.addEventListener('abort', done, { once: true });
    });
  }
}
