/**
 * How many packets a chain has counted that no element of its sets stands for, since the last look. What is counted by the chain and
 * noted in a set is not read in one moment, so what was noted too early is made up for at the next look.
 */
export class Unaccounted {
  /** What of the chain's counter has been told of; undefined before the first look, when nobody knows what was told before. */
  #told: number | undefined;

  /** Whether the chain has counted anything since. Of one that is seen before it has counted anything, nothing was told before. */
  isNew(counter: number): boolean {
    if (counter === 0) this.#told ??= 0;
    return counter !== (this.#told ?? 0);
  }

  /** Takes in a look: the chain's counter, and the sum of what stood in its sets right after. A smaller counter than before is one of a new table. */
  take(counter: number, noted: number): number {
    const unknown = Math.max(0, counter - noted);
    const before = this.#told === undefined ? unknown : counter < this.#told ? 0 : this.#told;
    this.#told = Math.max(counter, before + noted);
    return Math.max(0, counter - before - noted);
  }
}
