import { type KubernetesObject, keyOf, type ObjectKey } from '../api/resource.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import { type Clock, delay } from './clock.ts';
import type { Cache } from './store.ts';

/** What became of objects that a list left out. */
export type HoldingNotice =
  | { readonly kind: 'held'; readonly leftOut: number; readonly of: number }
  | { readonly kind: 'released'; readonly gone: number; readonly there: number };

export interface HoldingOptions<T extends KubernetesObject> {
  readonly cache: Cache<T>;
  /** The object as the server has it now; undefined when it has none, or none that can be read. @throws when nobody can say */
  readonly ask: (object: T) => Promise<T | undefined>;
  readonly clock: Clock;
  readonly random: () => number;
  /** Between two questions of which the first had no answer. */
  readonly backoff: Backoff;
  readonly signal: AbortSignal;
  readonly onNotice: (notice: HoldingNotice) => void;
}

/** Fewer are believed to be gone: a small collection is emptied often. */
const LEAST = 10;
/** So many are asked for first: where none of them is there, the list is believed. */
const SAMPLE = 16;
const AT_ONCE = 4;

/**
 * Believes no list that leaves out more than half of what is known until the server has said of single objects that they are gone. Such a
 * list may be true (somebody deleted five thousand devices while the watch was broken) or a lie (a cache that lost its content, a proxy that
 * cut an answer short), and only the second must empty nothing. Meanwhile the objects stay, and are followed like the others: a watch event
 * about one of them counts at once.
 */
export class Holding<T extends KubernetesObject> {
  readonly #options: HoldingOptions<T>;
  #superseded = new AbortController();
  #settled: Promise<void> = Promise.resolve();

  constructor(options: HoldingOptions<T>) {
    this.#options = options;
  }

  /** Resolves when nothing is asked any more. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  /** Puts back into a new list what it may not leave out yet, and begins to ask for it; to be called right before the list is taken in. */
  complete(listed: Map<ObjectKey, T>): void {
    const { cache, signal, onNotice } = this.#options;
    this.#superseded.abort();
    this.#superseded = new AbortController();
    const leftOut = [...cache.entries()].filter(([key]) => !listed.has(key)).map(([, object]) => object);
    if (leftOut.length < LEAST || leftOut.length * 2 <= cache.size) return;
    for (const object of leftOut) listed.set(keyOf(object.metadata), object);
    onNotice({ kind: 'held', leftOut: leftOut.length, of: cache.size });
    this.#settled = this.#settle(leftOut, AbortSignal.any([signal, this.#superseded.signal]));
  }

  async #settle(leftOut: readonly T[], signal: AbortSignal): Promise<void> {
    const shuffled = this.#shuffled(leftOut);
    const [sample, rest] = [shuffled.slice(0, SAMPLE), shuffled.slice(SAMPLE)];
    let there = await this.#count(sample, signal);
    if (there > 0) there += await this.#count(rest, signal);
    if (signal.aborted) return;
    if (there === 0) for (const object of rest) this.#forget(object);
    this.#options.onNotice({ kind: 'released', gone: leftOut.length - there, there });
  }

  /** Asks for each and forgets those that are gone; says how many are there. */
  async #count(objects: readonly T[], signal: AbortSignal): Promise<number> {
    const left = objects.values();
    const counts = Array.from({ length: AT_ONCE }, async () => {
      let there = 0;
      for (const object of left) if (await this.#isThere(object, signal)) there += 1;
      return there;
    });
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  async #isThere(object: T, signal: AbortSignal): Promise<boolean> {
    const { ask, cache, backoff, clock, random } = this.#options;
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        const found = await ask(object);
        if (signal.aborted) return true;
        if (found === undefined) this.#forget(object);
        else if (cache.get(keyOf(object.metadata)) === object && found !== object) cache.put(found);
        return found !== undefined;
      } catch {
        // Whatever it is, the watch meets it too, and tells.
        await delay(clock, backoffMs(backoff, failures, random()), signal);
      }
    }
    return true;
  }

  /** Unless the watch has told something about it since. */
  #forget(object: T): void {
    const { cache } = this.#options;
    const key = keyOf(object.metadata);
    if (cache.get(key) === object) cache.remove(key);
  }

  #shuffled(objects: readonly T[]): readonly T[] {
    const drawn = objects.map((object) => ({ object, at: this.#options.random() }));
    return drawn.toSorted((one, other) => one.at - other.at).map(({ object }) => object);
  }
}
