import type { ElementChange } from '../dataplane/nftables/ruleset.ts';

/** The kernel announces a change while the command that makes it still runs; a busy machine reads that later. */
const HEARD_WITHIN_MS = 5_000;
const LINE = /^(add|delete) element inet (\S+) (\S+) \{ (.+) \}$/;

/**
 * The elements that we change ourselves, so that their announcement is not taken for the work of another hand: a look at a table of ten
 * thousand elements costs twenty times what changing one does. Each is expected once, and for a few seconds. What comes in other words
 * than it was written in, as ranges may, is reported as ever.
 */
export class OwnElements {
  readonly #now: () => number;
  /** Until when, in milliseconds, by verb, table, set and element. */
  readonly #expected = new Map<string, number>();

  /** `now` is in milliseconds, from whenever on. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** To be called before the change is made; the answer takes that back, for a change that was not made. */
  expect(table: string, changes: readonly ElementChange[]): () => void {
    const now = this.#now();
    for (const [key, until] of this.#expected) if (until < now) this.#expected.delete(key);
    const keys = changes.flatMap(({ set, added, removed }) => [
      ...added.map((element) => keyOf('add', table, set, element)),
      ...removed.map((element) => keyOf('delete', table, set, element)),
    ]);
    for (const key of keys) this.#expected.set(key, now + HEARD_WITHIN_MS);
    return () => {
      for (const key of keys) this.#expected.delete(key);
    };
  }

  /** Whether a line of `nft monitor` tells of nothing but what is expected, which it is no longer then. */
  heard(line: string): boolean {
    const [, verb = '', table = '', set = '', elements = ''] = LINE.exec(line) ?? [];
    const keys = elements.split(', ').map((element) => keyOf(verb, table, set, element));
    const now = this.#now();
    const isOwn = keys.every((key) => (this.#expected.get(key) ?? Number.NEGATIVE_INFINITY) >= now);
    if (isOwn) for (const key of keys) this.#expected.delete(key);
    return isOwn;
  }
}

function keyOf(...words: readonly string[]): string {
  return words.join(' ');
}
