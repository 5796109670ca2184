import { type KubernetesObject, objectMetaSchema, type ResourceType } from '../api/resource.ts';
import type { Client } from './client.ts';
import type { Clock } from './clock.ts';
import { isNotFound } from './errors.ts';
import { microTime } from './lease.ts';

/** An Event as far as we read it back. */
export const eventType: ResourceType<KubernetesObject> = {
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
  parse: (raw) => {
    const { metadata } = raw as { readonly metadata: unknown };
    return { apiVersion: 'events.k8s.io/v1', kind: 'Event', metadata: objectMetaSchema.parse(metadata) };
  },
};

/** Something worth telling the owner of an object, in `kubectl describe` and `kubectl events`. */
export interface Happening {
  readonly regarding: Pick<KubernetesObject, 'apiVersion' | 'kind'> & {
    readonly metadata: Pick<KubernetesObject['metadata'], 'name' | 'namespace' | 'uid'>;
  };
  readonly type: 'Normal' | 'Warning';
  /** CamelCase: why. */
  readonly reason: string;
  /** CamelCase: what was done or tried. */
  readonly action: string;
  /** A sentence, with the remedy if there is one. Cut at 1024 bytes. */
  readonly note: string;
}

export interface EventRecorderOptions {
  /** `sallyport.dev/operator`. */
  readonly controller: string;
  /** The pod. */
  readonly instance: string;
  readonly clock: Clock;
  readonly random?: () => number;
  /** Events that could not be written: the program's log is the place for them. */
  readonly onFailure?: (error: unknown, happening: Happening) => void;
  /** The same again within this time counts up the first event instead of making another (default 10 min). */
  readonly windowMs?: number;
  /** A counted event is written at most this often (default 30 s). */
  readonly seriesEveryMs?: number;
  /** How many different happenings are remembered, and how many may wait to be written (default 500). */
  readonly capacity?: number;
}

/** Records what happens to objects as Events. */
export interface EventRecorder {
  /** Returns at once and never throws. */
  record(happening: Happening): void;
  /** Writes what still waits for its time; resolves when everything recorded so far has been written or has failed. */
  flush(): Promise<void>;
}

/** A recorder that writes one Event per happening, and counts repetitions in its series. */
export function createEventRecorder(client: Client, options: EventRecorderOptions): EventRecorder {
  const recorder = new Recorder(client, options);
  return { record: (happening) => recorder.record(happening), flush: () => recorder.flush() };
}

const MAX_NOTE_BYTES = 1024;

interface Series {
  readonly happening: Happening;
  readonly name: string;
  readonly began: number;
  last: number;
  count: number;
  /** Undefined until it is in the API. */
  writtenAt: number | undefined;
  /** A write of the present count is on its way. */
  pending: boolean;
}

class Recorder {
  readonly #client: Client;
  readonly #options: EventRecorderOptions;
  readonly #capacity: number;
  /** Oldest first. */
  readonly #series = new Map<string, Series>();
  /** Series whose next count is not due yet, and how to cancel their timer. */
  readonly #delayed = new Map<Series, () => void>();
  #writes: Promise<void> = Promise.resolve();
  #waiting = 0;
  #made = 0;

  constructor(client: Client, options: EventRecorderOptions) {
    this.#client = client;
    this.#options = options;
    this.#capacity = options.capacity ?? 500;
  }

  record(happening: Happening): void {
    const now = this.#options.clock.now();
    const key = identity(happening);
    let series = this.#series.get(key);
    if (series === undefined || now - series.began > (this.#options.windowMs ?? 600_000)) {
      series = {
        happening,
        name: this.#name(happening, now),
        began: now,
        last: now,
        count: 0,
        writtenAt: undefined,
        pending: false,
      };
      this.#remember(key, series);
    }
    series.count += 1;
    series.last = now;
    this.#schedule(series, now);
  }

  flush(): Promise<void> {
    for (const [series, cancel] of [...this.#delayed]) {
      cancel();
      this.#enqueue(series);
    }
    return this.#writes;
  }

  #remember(key: string, series: Series): void {
    this.#series.delete(key);
    this.#series.set(key, series);
    const oldest = this.#series.keys().next();
    if (this.#series.size > this.#capacity && !oldest.done) this.#series.delete(oldest.value);
  }

  #schedule(series: Series, now: number): void {
    if (series.pending) return;
    series.pending = true;
    const due = series.writtenAt === undefined ? 0 : series.writtenAt + (this.#options.seriesEveryMs ?? 30_000) - now;
    if (due <= 0) this.#enqueue(series);
    else
      this.#delayed.set(
        series,
        this.#options.clock.timer(due, () => this.#enqueue(series)),
      );
  }

  /** One write after the other: a storm of events must not become a storm of requests. */
  #enqueue(series: Series): void {
    this.#delayed.delete(series);
    if (this.#waiting >= this.#capacity) {
      series.pending = false;
      this.#fail(new Error('too many events wait to be written'), series);
      return;
    }
    this.#waiting += 1;
    this.#writes = this.#writes.then(async () => {
      this.#waiting -= 1;
      series.pending = false;
      try {
        await this.#write(series);
      } catch (error) {
        this.#fail(error, series);
      }
    });
  }

  async #write(series: Series): Promise<void> {
    const target = { name: series.name, namespace: namespaceOf(series.happening) };
    if (series.writtenAt !== undefined && (await this.#count(series, target))) return;
    series.writtenAt = this.#options.clock.now();
    await this.#client.create(eventType, this.#event(series, target));
  }

  /** False when the server has already forgotten the event: it keeps them for an hour. */
  async #count(series: Series, target: { readonly name: string; readonly namespace: string }): Promise<boolean> {
    series.writtenAt = this.#options.clock.now();
    const state = { series: { count: series.count, lastObservedTime: microTime(series.last) } };
    try {
      await this.#client.patch(eventType, target, state);
      return true;
    } catch (error) {
      if (isNotFound(error)) return false;
      throw error;
    }
  }

  #event({ happening, began, count, last }: Series, target: { readonly name: string; readonly namespace: string }) {
    const { apiVersion, kind, metadata } = happening.regarding;
    const { controller, instance } = this.#options;
    const { name, namespace, uid } = metadata;
    return {
      metadata: target,
      eventTime: microTime(began),
      reportingController: controller,
      reportingInstance: instance.slice(0, 128),
      type: happening.type,
      reason: happening.reason,
      action: happening.action,
      note: cut(happening.note),
      regarding: { apiVersion, kind, name, uid, ...(namespace === undefined ? {} : { namespace }) },
      ...(count > 1 ? { series: { count, lastObservedTime: microTime(last) } } : {}),
    };
  }

  #name({ regarding }: Happening, now: number): string {
    this.#made += 1;
    const { random = Math.random } = this.#options;
    const unique = [now, this.#made, Math.floor(random() * 2 ** 32)].map((part) => part.toString(16)).join('');
    return `${regarding.metadata.name.slice(0, 200)}.${unique}`;
  }

  #fail(error: unknown, { happening }: Series): void {
    try {
      this.#options.onFailure?.(error, happening);
    } catch {
      // Recording never fails the caller, and neither does telling about it.
    }
  }
}

function identity({ regarding, type, reason, action, note }: Happening): string {
  const { name, namespace, uid } = regarding.metadata;
  return JSON.stringify([regarding.kind, namespace, name, uid, type, reason, action, note]);
}

/** Events about cluster-scoped objects live in `default`. */
function namespaceOf({ regarding }: Happening): string {
  return regarding.metadata.namespace ?? 'default';
}

function cut(note: string): string {
  const bytes = Buffer.from(note);
  if (bytes.length <= MAX_NOTE_BYTES) return note;
  // A character that was cut in two decodes to U+FFFD.
  return `${bytes
    .subarray(0, MAX_NOTE_BYTES - 3)
    .toString('utf8')
    .replace(/\uFFFD$/, '')}…`;
}
