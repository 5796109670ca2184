/** Time as this layer needs it. The programs pass the real one, tests pass their own. */
export interface Clock {
  /** Milliseconds since 1970, for what people and other machines read. It may jump. */
  now(): number;
  /** Milliseconds that only grow and that nobody sets: for measuring how long something takes. */
  monotonic(): number;
  /** Calls back once after `ms`; the answer cancels it. */
  timer(ms: number, callback: () => void): () => void;
}

/** Resolves after `ms`, or as soon as the signal is aborted: the caller looks at the signal afterwards. */
export function delay(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const finish = () => {
      cancel();
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const cancel = clock.timer(ms, finish);
    signal.addEventListener('abort', finish, { once: true });
  });
}
