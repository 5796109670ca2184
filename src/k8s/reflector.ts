import { type KubernetesObject, type ObjectKey, type ResourceType, versionNumber } from '../api/resource.ts';
import { type Backoff, backoffMs, RECONNECT } from './backoff.ts';
import { type Clock, delay } from './clock.ts';
import { ApiError, failureFromStatus, isInvalid, isNotFound, isTooManyRequests, TransportError } from './errors.ts';
import { Holding, type HoldingNotice } from './holding.ts';
import { listPages, presentVersion, type Selection } from './list.ts';
import { parseItem, type RawObject, rawObject } from './parse.ts';
import { resourcePath } from './resource-path.ts';
import { Cache, type Store } from './store.ts';
import type { Transport } from './transport.ts';
import { type WatchEvent, watchEvent } from './watch-event.ts';

/** What a reflector tells about itself. Everything but a subscriber's error mends itself. */
export type ReflectorNotice =
  | { readonly kind: 'disconnected'; readonly error: Error; readonly failures: number; readonly retryInMs: number }
  | { readonly kind: 'recovered'; readonly failures: number }
  /** The server's history went back, as when its storage is restored from a backup: what is remembered of versions from before means nothing any more. */
  | { readonly kind: 'rewound'; readonly from: string; readonly to: string }
  /** The object is left out of the store until it parses again. */
  | { readonly kind: 'unparsable'; readonly key: ObjectKey; readonly error: Error }
  | { readonly kind: 'subscriber-failed'; readonly key: ObjectKey; readonly error: unknown }
  | HoldingNotice;

export interface ReflectorOptions extends Selection {
  /** Stops it for good. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly random?: () => number;
  readonly onNotice?: (notice: ReflectorNotice) => void;
  /** Whether no list is believed that leaves out more than half at once, until single objects were asked for (Holding); takes the right to get them. */
  readonly holds?: boolean;
  readonly timing?: Partial<ReflectorTiming>;
}

export interface ReflectorTiming {
  /** After a random time between the two without a byte, a watch is taken for half open and resumed. */
  readonly idleMs: readonly [number, number];
  /** The server is asked to end a watch after a random time between the two. */
  readonly watchSeconds: readonly [number, number];
  /** A watch that lived this long was a good one: back-off begins anew. */
  readonly healthyMs: number;
  readonly backoff: Backoff;
}

/** A store that follows a collection, and a promise for the end of it. */
export interface Reflector<T> {
  readonly store: Store<T>;
  /** Resolves once the signal has been aborted and nothing of it runs any more. Never rejects. */
  readonly stopped: Promise<void>;
}

/**
 * Follows a collection until the signal is aborted, whatever happens to connections and servers meanwhile: streaming
 * list (list, then watch, where the server cannot), watch from the last version, list again when that was forgotten.
 */
export function startReflector<T extends KubernetesObject>(
  transport: Transport,
  type: ResourceType<T>,
  options: ReflectorOptions,
): Reflector<T> {
  const follower = new Follower(transport, type, options);
  return { store: follower.cache, stopped: follower.run() };
}

const TIMING: ReflectorTiming = {
  idleMs: [90_000, 120_000],
  watchSeconds: [300, 600],
  healthyMs: 10_000,
  backoff: RECONNECT,
};

/** So many answers in a row that refuse to resume mean that this version is the trouble. */
const REFUSALS_BEFORE_RELIST = 3;

const NOTHING: Promise<void> = Promise.resolve();

class Follower<T extends KubernetesObject> {
  readonly cache: Cache<T>;
  readonly #transport: Transport;
  readonly #type: ResourceType<T>;
  readonly #options: ReflectorOptions;
  readonly #timing: ReflectorTiming;
  readonly #random: () => number;
  /** From where to watch; undefined means list first. */
  #position: string | undefined;
  /** What a streaming list has sent so far. */
  #incoming: Map<ObjectKey, T> | undefined;
  #streamingList = true;
  /** Versions that are known may be given to something else now. */
  #rewound = false;
  #opened = false;
  readonly #holding: Holding<T> | undefined;
  /** Whether this connection has told anything that was not known. */
  #hasTold = false;
  /** Since when this connection has been of use: accepted, and everything there was has been sent. */
  #goodSince: number | undefined;
  #troubled = false;
  #failures = 0;
  #refusals = 0;

  constructor(transport: Transport, type: ResourceType<T>, options: ReflectorOptions) {
    this.#transport = transport;
    this.#type = type;
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    this.#random = options.random ?? Math.random;
    this.cache = new Cache((key, error) => this.#notice({ kind: 'subscriber-failed', key, error }));
    if (options.holds === true)
      this.#holding = new Holding({
        ...{ cache: this.cache, clock: options.clock, signal: options.signal, random: this.#random },
        backoff: this.#timing.backoff,
        ask: (object) => this.#ask(object),
        onNotice: (notice) => this.#notice(notice),
      });
  }

  async run(): Promise<void> {
    const { signal, clock } = this.#options;
    while (!signal.aborted) {
      this.#opened = false;
      this.#hasTold = false;
      this.#goodSince = undefined;
      let failure: unknown;
      try {
        await this.#follow();
      } catch (error) {
        failure = error;
      }
      this.#incoming = undefined;
      if (!signal.aborted) await delay(clock, this.#settle(failure), signal);
    }
    await this.#holding?.settled;
    this.cache.stop();
  }

  /** One connection's life: whatever is needed to be up to date, then the watch until it ends. */
  async #follow(): Promise<void> {
    if (this.#position !== undefined) return this.#resume(this.#position);
    if (!this.#streamingList) return this.#watch({ resourceVersion: await this.#list() });
    this.#incoming = new Map();
    return this.#watch({ sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' });
  }

  /**
   * A server whose history went back takes a watch from a version that is still to come for a good one, and is silent until it has come:
   * kubernetes/kubernetes#107457. So whoever resumes asks it where it is.
   */
  async #resume(position: string): Promise<void> {
    const ending = new AbortController();
    let comparing = NOTHING;
    const onOpen = () => {
      comparing = this.#compareHistory(position, ending);
    };
    try {
      await this.#watch({ resourceVersion: position }, { onOpen, ending: ending.signal });
      ending.signal.throwIfAborted();
    } finally {
      ending.abort();
      await comparing;
    }
  }

  /** Ends the watch where the server has not come as far as its position. Until the server answers it is asked again, and the watch goes on. */
  async #compareHistory(position: string, ending: AbortController): Promise<void> {
    const { clock } = this.#options;
    const signal = AbortSignal.any([this.#options.signal, ending.signal]);
    for (let failures = 1; !signal.aborted; failures += 1) {
      try {
        const now = await presentVersion(this.#transport, this.#type, this.#options, signal);
        if (versionNumber(now) >= 0n && versionNumber(now) < versionNumber(position))
          this.#goBack(position, now, ending);
        return;
      } catch {
        // The watch tells what is wrong with the server, if anything is.
        await delay(clock, backoffMs(this.#timing.backoff, failures, this.#random()), signal);
      }
    }
  }

  #goBack(from: string, to: string, ending: AbortController): void {
    this.#position = undefined;
    this.#rewound = true;
    this.#notice({ kind: 'rewound', from, to });
    ending.abort(new Error(`the server went back from version ${from} to ${to}`));
  }

  async #list(): Promise<string> {
    const objects = new Map<ObjectKey, T>();
    const version = await listPages(this.#transport, this.#type, this.#options, {
      signal: this.#options.signal,
      onRestart: () => objects.clear(),
      onItem: (object) => this.#collect(objects, object),
    });
    this.#options.signal.throwIfAborted();
    this.#replace(objects, version);
    return version;
  }

  #watch(
    query: Readonly<Record<string, string | boolean>>,
    { onOpen, ending }: { readonly onOpen?: () => void; readonly ending?: AbortSignal } = {},
  ): Promise<void> {
    const { labelSelector, fieldSelector } = this.#options;
    const signal = ending === undefined ? this.#options.signal : AbortSignal.any([this.#options.signal, ending]);
    const timeoutSeconds = Math.round(this.#between(this.#timing.watchSeconds));
    const request = {
      method: 'GET' as const,
      path: resourcePath(this.#type, { namespace: this.#options.namespace }),
      query: { watch: true, allowWatchBookmarks: true, timeoutSeconds, labelSelector, fieldSelector, ...query },
      signal,
    };
    return this.#transport.stream(request, {
      idleMs: this.#between(this.#timing.idleMs),
      onOpen: () => {
        this.#opened = true;
        if (this.#position !== undefined) this.#good();
        onOpen?.();
      },
      onLine: (line) => {
        if (!signal.aborted) this.#take(watchEvent(this.#type, line), request);
      },
    });
  }

  #take(event: WatchEvent, asked: { readonly method: string; readonly path: string }): void {
    if (event.kind === 'error') {
      this.#position = undefined;
      throw new ApiError(failureFromStatus(asked, event.status));
    }
    if (this.#incoming !== undefined) this.#takeInitial(event, this.#incoming);
    else this.#takeLater(event);
  }

  /** Until the bookmark comes, the store keeps showing what it showed. */
  #takeInitial(event: Exclude<WatchEvent, { kind: 'error' }>, incoming: Map<ObjectKey, T>): void {
    if (event.kind === 'changed') this.#collect(incoming, event.object);
    else if (event.kind === 'deleted') incoming.delete(event.object.key);
    else if (event.complete) {
      this.#incoming = undefined;
      this.#replace(incoming, event.resourceVersion);
      this.#good();
    }
  }

  #takeLater(event: Exclude<WatchEvent, { kind: 'error' }>): void {
    const version = event.kind === 'bookmark' ? event.resourceVersion : event.object.resourceVersion;
    this.#hasTold = true;
    // Before the change is announced, so that a subscriber finds the version that its object belongs to.
    this.#position = version;
    this.cache.reach(version);
    if (event.kind === 'bookmark') return;
    const object = event.kind === 'deleted' ? undefined : this.#parse(event.object);
    if (object === undefined) this.cache.remove(event.object.key);
    else this.cache.put(object);
  }

  #replace(objects: Map<ObjectKey, T>, version: string): void {
    this.#position = version;
    this.#rewound = false;
    this.#holding?.complete(objects);
    this.cache.replace(objects, version);
  }

  async #ask({ metadata }: T): Promise<T | undefined> {
    try {
      const path = resourcePath(this.#type, metadata);
      const answer = await this.#transport.request({ method: 'GET', path, signal: this.#options.signal });
      const object = rawObject(this.#type, answer);
      if (object === undefined) throw new Error(`${path}: the answer is no object with a name`);
      return this.#parse(object);
    } catch (error) {
      if (isNotFound(error)) return undefined;
      throw error;
    }
  }

  #collect(objects: Map<ObjectKey, T>, object: RawObject): void {
    const parsed = this.#parse(object);
    if (parsed !== undefined) objects.set(object.key, parsed);
  }

  /** An object that has not changed since is not parsed a second time: after a new list most have not. */
  #parse(object: RawObject): T | undefined {
    const known = this.#rewound ? undefined : this.cache.get(object.key);
    const { uid, resourceVersion } = known?.metadata ?? {};
    if (known !== undefined && uid === object.uid && resourceVersion === object.resourceVersion) return known;
    return parseItem(this.#type, object, (key, error) => this.#notice({ kind: 'unparsable', key, error }));
  }

  /** Draws the lesson from how a watch ended, and says how long to wait before the next. */
  #settle(failure: unknown): number {
    const { clock } = this.#options;
    const livedMs = this.#goodSince === undefined ? -1 : clock.monotonic() - this.#goodSince;
    // An API server ends the watch of who does not keep up with it, after much was told.
    if (this.#hasTold) this.#failures = 0;
    if (livedMs >= this.#timing.healthyMs) {
      this.#failures = 0;
      // Silence may be a dead connection, or a type in which nothing has happened since the server started: it sends
      // no bookmark for those. To resume is right for both, and costs one request.
      const silent = failure instanceof TransportError && failure.timedOut;
      if (failure === undefined || silent) return 0;
    }
    const error = failure instanceof Error ? failure : new Error('the server ended the watch at once');
    this.#learn(error);
    this.#failures += 1;
    this.#troubled = true;
    const wait = backoffMs(this.#timing.backoff, this.#failures, this.#random());
    const asked = isTooManyRequests(error) ? (error.retryAfterSeconds ?? 0) * 1000 : 0;
    const retryInMs = Math.max(wait, Math.min(asked, 2 * this.#timing.backoff.capMs));
    this.#notice({ kind: 'disconnected', error, failures: this.#failures, retryInMs });
    return retryInMs;
  }

  #learn(error: Error): void {
    const opened = this.#opened;
    if (this.#position === undefined && this.#streamingList) {
      // Refused (before Kubernetes 1.32), or accepted by a server that never says when it is complete.
      if (isInvalid(error) || (opened && error instanceof TransportError && error.timedOut))
        this.#streamingList = false;
    } else if (error instanceof ApiError && !opened) {
      this.#refusals += 1;
      const passing = error.status === 429 || (error.status >= 500 && error.status !== 504);
      // 504 is also "Too large resource version": the server's history went back, as after a restored backup.
      if (!passing || this.#refusals >= REFUSALS_BEFORE_RELIST) this.#position = undefined;
    }
  }

  #between([least, most]: readonly [number, number]): number {
    return least + (most - least) * this.#random();
  }

  #good(): void {
    this.#goodSince = this.#options.clock.monotonic();
    this.#refusals = 0;
    if (this.#troubled) this.#notice({ kind: 'recovered', failures: this.#failures });
    this.#troubled = false;
  }

  #notice(notice: ReflectorNotice): void {
    try {
      this.#options.onNotice?.(notice);
    } catch {
      // Telling is the hook's matter; following goes on.
    }
  }
}
