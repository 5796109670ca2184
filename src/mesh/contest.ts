/** Somebody who undoes again and again what this node makes. */
export interface Contest {
  /** What was mended last, in words. */
  readonly mended: string;
  /** The program that made the last change, where the kernel tells. */
  readonly by: string | undefined;
}

/** So many repairs within a minute are made at once: whoever flushes all tables when it starts does that once or twice. */
export const AT_ONCE = 10;
export const WINDOW_MS = 60_000;
/** From then on a repair waits so long after the one before, in milliseconds: while a table is away, its rules keep nobody out. */
export const EVERY_MS = 1_000;

/**
 * How patient a node is with somebody who undoes what it makes. Two programs that each put right at once what the other has done keep a processor
 * busy and serve nobody; so the node gives way for a moment each time, and says so. Once a minute has passed with nothing to mend, it is as quick as before.
 */
export class Contention {
  #times: readonly number[] = [];
  #last: (Contest & { readonly at: number }) | undefined;
  #isContested = false;

  /** Takes in that something was mended; says whether it is contested since. `now` is in monotonic milliseconds, as everywhere here. */
  mended(mended: string, by: string | undefined, now: number): boolean {
    const was = this.contest(now) !== undefined;
    this.#times = [...this.#times.filter((at) => at > now - WINDOW_MS), now].slice(-AT_ONCE - 1);
    this.#last = { mended, by, at: now };
    this.#isContested = was || this.#times.length > AT_ONCE;
    return this.#isContested && !was;
  }

  /** How long a change that somebody has made is to wait until it is looked at. */
  waitMs(now: number): number {
    if (this.#last === undefined || this.contest(now) === undefined) return 0;
    return Math.max(0, this.#last.at + EVERY_MS - now);
  }

  /** What there is to tell; undefined where nothing is contested. */
  contest(now: number): Contest | undefined {
    if (this.#last === undefined || !this.#isContested || now >= this.#last.at + WINDOW_MS) return undefined;
    const { mended, by } = this.#last;
    return { mended, by };
  }
}

/** A contest in words, with what to do. `own` names what belongs to the gateway alone. */
export function contestText({ mended, by }: Contest, own: string): string {
  const who =
    by === undefined
      ? 'The kernel does not say which program does it; network managers that take interfaces for their own are known for it'
      : `The kernel names the program ${by}`;
  return (
    `Somebody keeps undoing what this gateway has made, more than ${AT_ONCE} times in a minute; mended last: ${mended}. ${who}. ` +
    `It is mended every second from now on, and in between devices may not be served, or reach what no grant opens to them. Have that program leave alone ${own}.`
  );
}
