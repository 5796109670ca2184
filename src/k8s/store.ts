import { type KubernetesObject, keyOf, type ObjectKey } from '../api/resource.ts';

/** One object came, changed or went; the store already holds what is true after it. */
export interface Change<T> {
  readonly key: ObjectKey;
  readonly before?: T | undefined;
  readonly after?: T | undefined;
}

/** What is known of a collection. It keeps its last content while the API server is away. */
export interface Store<T> {
  get(key: ObjectKey): T | undefined;
  values(): IterableIterator<T>;
  entries(): IterableIterator<[ObjectKey, T]>;
  readonly size: number;
  /** Whether the whole collection has been seen once. */
  readonly synced: boolean;
  /** Resolves at once when synced. Rejects when the signal is aborted or the store will never sync. */
  whenSynced(signal?: AbortSignal): Promise<void>;
  /** The version of the collection that the content shows; moves on also while nothing in it changes. Empty before. */
  readonly lastResourceVersion: string;
  /** Called after each change. What a subscriber throws is reported and stops nobody. The answer unsubscribes. */
  subscribe(subscriber: (change: Change<T>) => void): () => void;
}

/** The writable side of a store, held by its reflector alone. */
export class Cache<T extends KubernetesObject> implements Store<T> {
  readonly #onSubscriberError: (key: ObjectKey, error: unknown) => void;
  readonly #subscribers = new Set<(change: Change<T>) => void>();
  readonly #waiters = new Set<{ resolve(): void; reject(error: Error): void }>();
  #objects = new Map<ObjectKey, T>();
  #synced = false;
  #stopped = false;
  #lastResourceVersion = '';

  constructor(onSubscriberError: (key: ObjectKey, error: unknown) => void) {
    this.#onSubscriberError = onSubscriberError;
  }

  get(key: ObjectKey): T | undefined {
    return this.#objects.get(key);
  }

  values(): IterableIterator<T> {
    return this.#objects.values();
  }

  entries(): IterableIterator<[ObjectKey, T]> {
    return this.#objects.entries();
  }

  get size(): number {
    return this.#objects.size;
  }

  get synced(): boolean {
    return this.#synced;
  }

  get lastResourceVersion(): string {
    return this.#lastResourceVersion;
  }

  whenSynced(signal?: AbortSignal): Promise<void> {
    if (this.#synced) return Promise.resolve();
    if (this.#stopped) return Promise.reject(new Error('stopped before the first sync'));
    return new Promise((resolve, reject) => {
      const onAbort = () => waiter.reject(abortReason(signal));
      const settle = (act: () => void) => {
        this.#waiters.delete(waiter);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const waiter = { resolve: () => settle(resolve), reject: (error: Error) => settle(() => reject(error)) };
      this.#waiters.add(waiter);
      if (signal?.aborted) onAbort();
      else signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  subscribe(subscriber: (change: Change<T>) => void): () => void {
    // A new function each time, so that subscribing the same one twice means being called twice.
    const entry = (change: Change<T>) => subscriber(change);
    this.#subscribers.add(entry);
    return () => this.#subscribers.delete(entry);
  }

  /** Takes in one object that was added or changed. */
  put(after: T): void {
    const key = keyOf(after.metadata);
    const before = this.#objects.get(key);
    this.#objects.set(key, after);
    this.#announce({ key, before, after });
  }

  /** Forgets one object; announces nothing when it was not known. */
  remove(key: ObjectKey): void {
    const before = this.#objects.get(key);
    if (this.#objects.delete(key)) this.#announce({ key, before });
  }

  /** The version of the collection that the content now shows. */
  reach(resourceVersion: string): void {
    this.#lastResourceVersion = resourceVersion;
  }

  /** Puts a whole new content in place at once, then announces every difference, removed objects included. */
  replace(objects: Map<ObjectKey, T>, resourceVersion: string): void {
    const old = this.#objects;
    this.#objects = objects;
    this.#lastResourceVersion = resourceVersion;
    this.#synced = true;
    for (const [key, before] of old) if (!objects.has(key)) this.#announce({ key, before });
    for (const [key, after] of objects) {
      const before = old.get(key);
      if (before !== after) this.#announce({ key, before, after });
    }
    for (const waiter of [...this.#waiters]) waiter.resolve();
  }

  /** Nothing will come any more: whoever still waits for the first sync is told. */
  stop(): void {
    this.#stopped = true;
    for (const waiter of [...this.#waiters]) waiter.reject(new Error('stopped before the first sync'));
  }

  #announce(change: Change<T>): void {
    for (const subscriber of [...this.#subscribers]) {
      try {
        const answer: unknown = subscriber(change);
        // An async subscriber's rejection would end the process.
        if (answer instanceof Promise) answer.catch((error) => this.#onSubscriberError(change.key, error));
      } catch (error) {
        this.#onSubscriberError(change.key, error);
      }
    }
  }
}

function abortReason(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new Error('aborted before the first sync');
}
