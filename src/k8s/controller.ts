import type { ObjectKey } from '../api/resource.ts';
import type { Backoff } from './backoff.ts';
import { type Clock, delay } from './clock.ts';
import type { Outcome } from './outcome.ts';
import { WorkQueue } from './queue.ts';
import type { Change, Store } from './store.ts';

/** How one reconcile went. */
export type ControllerRun =
  | { readonly kind: 'done'; readonly key: ObjectKey; readonly outcome: Outcome; readonly tookMs: number }
  | {
      readonly kind: 'failed';
      readonly key: ObjectKey;
      readonly error: unknown;
      readonly failures: number;
      readonly retryInMs: number;
      readonly tookMs: number;
    };

export interface ControllerOptions {
  /** Brings what this key names to where it should be. It reads the world, not an event; throwing means: again. */
  readonly reconcile: (key: ObjectKey) => Promise<Outcome>;
  readonly clock: Clock;
  readonly random?: () => number;
  readonly backoff?: Backoff;
  /** Different keys at once (default 1). */
  readonly concurrency?: number;
  /** Every key again about this often, in milliseconds, whether or not anything changed. */
  readonly resyncEvery?: number;
  readonly onRun?: (run: ControllerRun) => void;
}

/** Stores in, reconciles out. */
export interface Controller {
  /** Reconciles the keys that a change concerns. Call it before `run`; what the store holds by then counts as changed. */
  watch<T>(store: Store<T>, keys: (change: Change<T>) => Iterable<ObjectKey>): void;
  /** How many keys wait for their turn. */
  readonly waiting: number;
  /** Reconciles this key soon. */
  add(key: ObjectKey): void;
  /** Waits until every store is synced, then works until the signal is aborted and the last reconcile has ended. */
  run(signal: AbortSignal): Promise<void>;
}

/** Level-triggered: however many changes, a key is reconciled until the world is as it should be. */
export function createController(options: ControllerOptions): Controller {
  const { clock, onRun = () => undefined } = options;
  const stores: Store<unknown>[] = [];
  const everything: (() => void)[] = [];
  const unsubscribes: (() => void)[] = [];

  const work = async (key: ObjectKey) => {
    const began = clock.monotonic();
    let outcome: Outcome;
    try {
      outcome = await options.reconcile(key);
    } catch (error) {
      const retryInMs = queue.addRateLimited(key);
      const tookMs = clock.monotonic() - began;
      onRun({ kind: 'failed', key, error, failures: queue.failures(key), retryInMs, tookMs });
      return;
    }
    queue.forget(key);
    if (outcome.kind === 'waiting') queue.addAfter(key, outcome.forMs);
    onRun({ kind: 'done', key, outcome, tookMs: clock.monotonic() - began });
  };
  const queue = new WorkQueue<ObjectKey>({ ...options, work });

  return {
    get waiting() {
      return queue.length;
    },
    add: (key) => queue.add(key),
    watch: (store, keys) => {
      const take = (change: Parameters<typeof keys>[0]) => {
        for (const key of keys(change)) queue.add(key);
      };
      stores.push(store);
      everything.push(() => {
        for (const [key, object] of store.entries()) take({ key, before: object, after: object });
      });
      unsubscribes.push(store.subscribe(take));
    },
    run: async (signal) => {
      try {
        await Promise.all(stores.map((store) => store.whenSynced(signal)));
        for (const enqueue of everything) enqueue();
        queue.start();
        await untilAborted(options, signal, everything);
      } catch (error) {
        if (!signal.aborted) throw error;
      } finally {
        for (const unsubscribe of unsubscribes) unsubscribe();
        await queue.stop();
      }
    },
  };
}

async function untilAborted(
  { clock, resyncEvery = Number.POSITIVE_INFINITY, random = Math.random }: ControllerOptions,
  signal: AbortSignal,
  everything: readonly (() => void)[],
): Promise<void> {
  while (!signal.aborted) {
    await delay(clock, Math.min(resyncEvery * (0.9 + 0.2 * random()), 2 ** 31 - 1), signal);
    if (!signal.aborted) for (const enqueue of everything) enqueue();
  }
}
