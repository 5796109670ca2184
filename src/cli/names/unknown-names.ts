import type { Unknown } from '../../laptop/names/stray-names.ts';

/** The C library tries its search list at once; a second attempt of its own comes after 5 s. In milliseconds. */
const REMEMBERED_MS = 15_000;
const MOST = 1_000;

/** The names that nobody outside of the cluster knew a moment ago. */
export class UnknownNames {
  readonly #names: Map<string, Unknown & { readonly until: number }>;

  constructor() {
    this.#names = new Map();
  }

  add(name: string, unknown: Unknown, now: number): void {
    // The last one in is the last one out.
    this.#names.delete(name);
    this.#names.set(name, { ...unknown, until: now + REMEMBERED_MS });
    const [oldest] = this.#names.keys();
    if (this.#names.size > MOST && oldest !== undefined) this.#names.delete(oldest);
  }

  /** What came of a name; undefined for one that was not asked or was found. */
  get(name: string, now: number): Unknown | undefined {
    const known = this.#names.get(name);
    return known === undefined || known.until < now ? undefined : known;
  }
}
