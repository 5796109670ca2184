/** Asks again only when the last answer was forgotten, or is older than `lifetime` says it may get. */
export class Memory<T> {
  readonly #lifetime: (answer: T) => number;
  #kept: { readonly answer: T; readonly until: number } | undefined;
  #forgotten = 0;

  constructor(lifetime: (answer: T) => number) {
    this.#lifetime = lifetime;
  }

  async recall(ask: () => Promise<T>): Promise<T> {
    if (this.#kept !== undefined && performance.now() < this.#kept.until) return this.#kept.answer;
    const before = this.#forgotten;
    const answer = await ask();
    // What was asked before it was worthless is not kept.
    if (this.#forgotten === before) this.#kept = { answer, until: performance.now() + this.#lifetime(answer) };
    return answer;
  }

  forget(): void {
    this.#forgotten += 1;
    this.#kept = undefined;
  }
}
