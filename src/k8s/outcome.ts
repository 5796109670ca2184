/** How a reconcile ended, other than by throwing (which means: try again with back-off). */
export type Outcome =
  | { readonly kind: 'settled' }
  | { readonly kind: 'waiting'; readonly forMs: number; readonly reason: string }
  | { readonly kind: 'rejected'; readonly reason: string };

/** The world is as it should be; nothing to do until something changes. */
export const settled: Outcome = { kind: 'settled' };

/** Not yet, and time alone may change that: look again after `forMs` at the latest. */
export function waiting(forMs: number, reason: string): Outcome {
  return { kind: 'waiting', forMs, reason };
}

/** It needs the user: no retry until an object changes. */
export function rejected(reason: string): Outcome {
  return { kind: 'rejected', reason };
}

/** Of two outcomes the one that looks again sooner. */
export function sooner(one: Outcome, other: Outcome): Outcome {
  if (one.kind !== 'waiting') return other;
  return other.kind === 'waiting' && other.forMs < one.forMs ? other : one;
}
