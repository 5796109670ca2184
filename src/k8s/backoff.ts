/** How long to wait between attempts that keep failing. */
export interface Backoff {
  readonly firstMs: number;
  readonly factor: number;
  readonly capMs: number;
  /** A wait is lengthened by up to this fraction of itself, so that many clients do not return at once. */
  readonly jitter: number;
}

/** For connections to the API server: quick at first (a rolling restart), slow when it stays away. */
export const RECONNECT: Backoff = { firstMs: 200, factor: 2, capMs: 30_000, jitter: 0.5 };

/** For keys of a work queue, as client-go does, but with a cap that a person still waits for. */
export const RETRY: Backoff = { firstMs: 50, factor: 2, capMs: 60_000, jitter: 0.1 };

/** The wait before attempt number `failures + 1`, where `failures` counts from 1. `random` is in [0, 1). */
export function backoffMs(backoff: Backoff, failures: number, random: number): number {
  const grown = backoff.firstMs * backoff.factor ** Math.min(Math.max(failures, 1) - 1, 60);
  return Math.round(Math.min(grown, backoff.capMs) * (1 + backoff.jitter * random));
}
