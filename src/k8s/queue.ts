import { type Backoff, backoffMs, RETRY } from './backoff.ts';
import type { Clock } from './clock.ts';

export interface QueueOptions<K extends string> {
  /** Done for one key at a time per key. When it rejects, the key comes back after its back-off. */
  readonly work: (key: K) => Promise<void>;
  readonly clock: Clock;
  readonly random?: () => number;
  readonly backoff?: Backoff;
  /** How many keys are worked on at once (default 1). */
  readonly concurrency?: number;
}

/**
 * Keys that want work, with client-go's rules: a key waits at most once however often it is added; one that is added
 * while it is worked on is worked on again afterwards, never twice at once; nothing begins before `start`.
 */
export class WorkQueue<K extends string> {
  readonly #options: QueueOptions<K>;
  /** In order of arrival. A key in work that became dirty again is not here until its work is done. */
  readonly #waiting = new Set<K>();
  readonly #dirty = new Set<K>();
  readonly #running = new Map<K, Promise<void>>();
  readonly #later = new Map<K, { readonly at: number; readonly cancel: () => void }>();
  readonly #failures = new Map<K, number>();
  #state: 'new' | 'started' | 'stopped' = 'new';

  constructor(options: QueueOptions<K>) {
    this.#options = options;
  }

  /** How many keys wait to be worked on now; not those that wait for their time. */
  get length(): number {
    return this.#waiting.size;
  }

  /** As soon as there is room. */
  add(key: K): void {
    if (this.#state === 'stopped') return;
    if (this.#running.has(key)) this.#dirty.add(key);
    else this.#waiting.add(key);
    this.#fill();
  }

  /** After `ms`. Of several such wishes for one key the earliest counts. */
  addAfter(key: K, ms: number): void {
    if (this.#state === 'stopped') return;
    if (ms <= 0) {
      this.add(key);
      return;
    }
    const at = this.#options.clock.monotonic() + ms;
    const known = this.#later.get(key);
    if (known !== undefined && known.at <= at) return;
    known?.cancel();
    const due = () => {
      this.#later.delete(key);
      this.add(key);
    };
    this.#later.set(key, { at, cancel: this.#options.clock.timer(ms, due) });
  }

  /** After the key's back-off, which grows with each call until `forget`. The answer is the wait in milliseconds. */
  addRateLimited(key: K): number {
    const failures = this.failures(key) + 1;
    this.#failures.set(key, failures);
    const { backoff = RETRY, random = Math.random } = this.#options;
    const ms = backoffMs(backoff, failures, random());
    this.addAfter(key, ms);
    return ms;
  }

  /** How often in a row the key was rate limited. */
  failures(key: K): number {
    return this.#failures.get(key) ?? 0;
  }

  /** The key is well: its next failure waits the shortest time again. */
  forget(key: K): void {
    this.#failures.delete(key);
  }

  /** Lets work begin. */
  start(): void {
    if (this.#state === 'new') this.#state = 'started';
    this.#fill();
  }

  /** Begins nothing more, and resolves when what runs has ended. */
  async stop(): Promise<void> {
    this.#state = 'stopped';
    for (const { cancel } of this.#later.values()) cancel();
    this.#later.clear();
    this.#waiting.clear();
    this.#dirty.clear();
    await Promise.all(this.#running.values());
  }

  #fill(): void {
    const { concurrency = 1 } = this.#options;
    for (const key of this.#waiting) {
      if (this.#state !== 'started' || this.#running.size >= concurrency) return;
      this.#waiting.delete(key);
      this.#running.set(key, this.#run(key));
    }
  }

  async #run(key: K): Promise<void> {
    // Whoever adds keys must not find itself in the middle of their work.
    await Promise.resolve();
    try {
      await this.#options.work(key);
    } catch {
      this.addRateLimited(key);
    }
    this.#running.delete(key);
    if (this.#dirty.delete(key)) this.add(key);
    this.#fill();
  }
}
