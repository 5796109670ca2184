/** How a connection ended, on the clock of the answers. */
export interface Attempt {
  readonly began: number;
  readonly answered: boolean;
}

/** Connections of a while. */
export interface Dialled {
  readonly begun: number;
  /** Those that had no answer in time. */
  readonly failed: number;
}

/**
 * The connections that were begun in a while, by their numbers, which rise with the time at which they were begun; an attempt is undefined
 * until it has ended. Undefined until all of them have, and one that was begun later tells that there are no more.
 */
export function dialledBetween(
  attempts: readonly (Attempt | undefined)[],
  from: number,
  to: number,
): Dialled | undefined {
  const after = attempts.findIndex((attempt) => attempt !== undefined && attempt.began >= to);
  const before = attempts.slice(0, Math.max(after, 0));
  const ended = before.filter((attempt) => attempt !== undefined);
  if (after < 0 || ended.length < before.length) return undefined;
  const inside = ended.filter(({ began }) => began >= from);
  return { begun: inside.length, failed: inside.filter(({ answered }) => !answered).length };
}
