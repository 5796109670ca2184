/** A while in which nobody answered. */
export interface Outage {
  readonly ms: number;
  /** Since when answers come again, on the clock of the answers; undefined while they do not. */
  readonly overAt: number | undefined;
}

/** Between two answers it may take so long on a busy machine without anything being amiss. */
const USUAL_MS = 500;

/**
 * How long there was no answer around something that happened at `since`: from the last answer before the first unusual pause to the answer
 * that ended the last one; where no pause was unusual, the longest of them. All times in milliseconds on one clock, `now` the latest of them.
 */
export function outage(answers: readonly number[], since: number, now: number): Outage {
  const before = answers.findLast((at) => at <= since) ?? since;
  const after = answers.filter((at) => at > since);
  const ends = [...after, now];
  const pauses = ends.map((end, place) => ({ start: ends[place - 1] ?? before, end }));
  const unusual = pauses.filter(({ start, end }) => end - start > USUAL_MS);
  const [first, last] = [unusual[0], unusual.at(-1)];
  if (first === undefined || last === undefined)
    return { ms: Math.max(...pauses.map(({ start, end }) => end - start)), overAt: after[0] ?? since };
  return { ms: last.end - first.start, overAt: last === pauses.at(-1) ? undefined : last.end };
}
