/** The clock of this machine. Programs hand it to whoever measures or waits. */
export interface Clock {
  /** Milliseconds since 1970. It may jump when someone sets the clock. */
  now(): number;
  /** Milliseconds that only grow, from an arbitrary beginning. */
  monotonic(): number;
  /** Calls back once after `ms`; the answer cancels it. A pending timer keeps the program alive. */
  timer(ms: number, callback: () => void): () => void;
}

/** setTimeout takes no more than this; a longer wait would fire at once. */
const LONGEST_MS = 2 ** 31 - 1;

/** The real clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  timer: (ms, callback) => {
    const timer = setTimeout(callback, Math.min(Math.max(ms, 0), LONGEST_MS));
    return () => clearTimeout(timer);
  },
};
