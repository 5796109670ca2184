/** Somebody who undoes again and again what this node makes. */
export interface Contest {
  /** What was mended last, in words. */
  readonly mended: string;
  /** The program that made the last change, where the kernel tells. */
  readonly by: string | undefined;
  /** How often it is mended from now on, in milliseconds. */
  readonly everyMs: number;
}

/** So many repairs within a minute are made at once: whoever flushes all tables when it starts does that once or twice. */
export const AT_ONCE = 10;
export const WINDOW_MS = 60_000;
/** From then on a repair waits so long after the one before, in milliseconds, longer with each. */
export const WAITS_MS = [2_000, 5_000, 10_000, 30_000, 60_000] as const;

/**
 * How patient a node is with somebody who undoes what it makes. Two programs that each put right at once what the other has done keep a processor
 * busy and serve nobody; so the node gives way, says so, and goes on rarely. Once a minute has passed with nothing to mend, it is as quick as before.
 */
export class Contention {
  #times: readonly number[] = [];
  #level = 0;
  #last: { readonly at: number; readonly mended: string; readonly by: string | undefined } | undefined;

  /** Takes in that something was mended; says whether it is contested since. `now` is in monotonic milliseconds, as everywhere here. */
  mended(mended: string, by: string | undefined, now: number): boolean {
    if (this.#isCalm(now)) this.#level = 0;
    this.#times = [...this.#times.filter((at) => at > now - WINDOW_MS), now];
    this.#last = { at: now, mended, by };
    const before = this.#level;
    if (before > 0 || this.#times.length > AT_ONCE) this.#level = Math.min(before + 1, WAITS_MS.length);
    return before === 0 && this.#level > 0;
  }

  /** How long a change that somebody has made is to wait until it is looked at. */
  waitMs(now: number): number {
    if (this.#last === undefined || this.#isCalm(now)) return 0;
    return Math.max(0, this.#last.at + this.#everyMs - now);
  }

  /** What there is to tell; undefined where nothing is contested. */
  contest(now: number): Contest | undefined {
    if (this.#last === undefined || this.#level === 0 || this.#isCalm(now)) return undefined;
    const { mended, by } = this.#last;
    return { mended, by, everyMs: this.#everyMs };
  }

  get #everyMs(): number {
    return WAITS_MS[this.#level - 1] ?? 0;
  }

  #isCalm(now: number): boolean {
    return this.#last === undefined || now >= this.#last.at + this.#everyMs + WINDOW_MS;
  }
}

/** A contest in words, with what to do. `own` names what belongs to the gateway alone. */
export function contestText({ mended, by, everyMs }: Contest, own: string): string {
  const who =
    by === undefined
      ? 'The kernel does not say which program does it; network managers that take interfaces for their own are known for it'
      : `The kernel names the program ${by}`;
  return (
    `Somebody keeps undoing what this gateway has made, more than ${AT_ONCE} times in a minute; mended last: ${mended}. ${who}. ` +
    `It is mended every ${everyMs / 1_000} s from now on, and in between devices may not be served, or reach what no grant opens to them. Have that program leave alone ${own}.`
  );
}
