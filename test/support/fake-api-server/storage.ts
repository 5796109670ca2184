import { randomUUID } from 'node:crypto';
import { field, isJson, type Json, same, text, without } from './json.ts';
import { applyMerge, mergePatch, type Owners, ownersAfterUpdate } from './merge.ts';
import { conflict, notFound, Refusal } from './refusal.ts';

/** A type the fake serves. Any ResourceType fits. */
export interface FakeResource {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly namespaced: boolean;
  /** Whether `status` is a subresource of its own (default true). */
  readonly status?: boolean;
}

export interface StoredEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly version: number;
  readonly before?: Json;
  readonly object: Json;
}

interface Entry {
  readonly object: Json;
  readonly owners: Owners;
}

export interface Target {
  readonly name: string;
  readonly namespace: string | undefined;
  readonly status: boolean;
}

/** One collection: objects, their history, and the rules of writing to it. Versions are shared by all collections. */
export class Collection {
  readonly resource: FakeResource;
  readonly #nextVersion: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #listeners = new Set<(event: StoredEvent) => void>();
  #history: StoredEvent[] = [];
  #compacted = 1000;

  constructor(resource: FakeResource, nextVersion: () => number) {
    this.resource = resource;
    this.#nextVersion = nextVersion;
  }

  /** As etcd would list them: by key. */
  list(): readonly Json[] {
    return [...this.#entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry.object);
  }

  get({ name, namespace }: Pick<Target, 'name' | 'namespace'>): Json {
    return this.#entry({ name, namespace }).object;
  }

  /** What happened after a version; undefined when that is no longer known. */
  since(version: number): readonly StoredEvent[] | undefined {
    if (version < this.#compacted) return undefined;
    return this.#history.filter((event) => event.version > version);
  }

  forgetHistory(upTo: number): void {
    this.#compacted = upTo;
    this.#history = this.#history.filter((event) => event.version > upTo);
  }

  /** Keeps what is stored now; the answer puts it back, as one restores a backup, and tells nobody. */
  backup(): () => void {
    const [entries, history, compacted] = [[...this.#entries], [...this.#history], this.#compacted];
    return () => {
      this.#entries.clear();
      for (const [key, entry] of entries) this.#entries.set(key, entry);
      this.#history = [...history];
      this.#compacted = compacted;
    };
  }

  onEvent(listener: (event: StoredEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  create(object: Json, namespace: string | undefined, manager: string): Json {
    const name = text(field(object, 'metadata'), 'name');
    if (this.#entries.has(keyOf(name, namespace))) {
      throw new Refusal(409, 'AlreadyExists', `${this.resource.plural} "${name}" already exists`);
    }
    const stored = this.resource.status === false ? object : without(object, 'status');
    return this.#write(
      { name, namespace },
      undefined,
      stored,
      ownersAfterUpdate({}, owned(stored), new Map(), manager),
    );
  }

  update(target: Target, object: Json, manager: string): Json {
    const entry = this.#entry(target);
    const version = text(field(object, 'metadata'), 'resourceVersion');
    this.#expectVersion(target, entry, version);
    const next = this.#scoped(target, entry.object, object);
    return this.#write(target, entry, next, ownersAfterUpdate(owned(entry.object), owned(next), entry.owners, manager));
  }

  patch(target: Target, patch: Json, manager: string): Json {
    const entry = this.#entry(target);
    const merged = mergePatch(entry.object, patch);
    return this.update(target, isJson(merged) ? merged : {}, manager);
  }

  apply(target: Target, intent: Json, options: { readonly manager: string; readonly force: boolean }): Json {
    const entry = this.#entries.get(keyOf(target.name, target.namespace));
    if (entry === undefined && target.status) throw notFound(this.resource.plural, target.name);
    const { uid } = field(intent, 'metadata');
    if (entry === undefined && uid !== undefined)
      throw conflict(this.resource.plural, target.name, `uid mismatch: there is no object with uid ${uid}`);
    const live = entry?.object ?? {};
    const version = text(field(intent, 'metadata'), 'resourceVersion');
    if (entry !== undefined && version !== '') this.#expectVersion(target, entry, version);
    // The subresource is a manager of its own: applying status must not remove what was applied of spec.
    const manager = target.status ? `${options.manager}/status` : options.manager;
    const wanted = owned(target.status ? { status: field(intent, 'status') } : this.#withoutStatus(intent));
    const applied = applyMerge(live, entry?.owners ?? new Map(), wanted, { manager, force: options.force });
    if (applied.conflicts.length > 0) {
      const by = applied.conflicts.map((found) => `"${found.manager}": ${found.path}`).join(', ');
      throw new Refusal(
        409,
        'Conflict',
        `Apply failed with ${applied.conflicts.length} conflict(s): conflicts with ${by}`,
      );
    }
    return this.#write(target, entry, this.#scoped(target, live, applied.object), applied.owners);
  }

  delete(target: Target, preconditions: Json): Json {
    const entry = this.#entry(target);
    const metadata = field(entry.object, 'metadata');
    for (const name of ['uid', 'resourceVersion']) {
      const wanted = text(preconditions, name);
      if (wanted !== '' && wanted !== metadata[name]) {
        throw conflict(this.resource.plural, target.name, `Precondition failed: ${name} is ${metadata[name]}`);
      }
    }
    if (finalizers(entry.object).length === 0) return this.#remove(target, entry.object);
    if (metadata.deletionTimestamp !== undefined) return entry.object;
    const doomed = { ...entry.object, metadata: { ...metadata, deletionTimestamp: now() } };
    return this.#write(target, entry, doomed, entry.owners);
  }

  #entry(target: Pick<Target, 'name' | 'namespace'>): Entry {
    const entry = this.#entries.get(keyOf(target.name, target.namespace));
    if (entry === undefined) throw notFound(this.resource.plural, target.name);
    return entry;
  }

  #expectVersion(target: Target, entry: Entry, version: string): void {
    if (version === '' || version === field(entry.object, 'metadata').resourceVersion) return;
    throw conflict(
      this.resource.plural,
      target.name,
      'the object has been modified; please apply your changes to the latest version',
    );
  }

  /** A write to the main resource leaves status alone, a write to status leaves all else alone. */
  #scoped(target: Target, live: Json, next: Json): Json {
    if (target.status) return { ...live, status: next.status };
    if (this.resource.status === false) return next;
    return 'status' in live ? { ...next, status: live.status } : without(next, 'status');
  }

  #withoutStatus(intent: Json): Json {
    return this.resource.status === false ? intent : without(intent, 'status');
  }

  #write(target: Pick<Target, 'name' | 'namespace'>, before: Entry | undefined, next: Json, owners: Owners): Json {
    const old = before?.object;
    const kept = field(old ?? {}, 'metadata');
    const generation = typeof kept.generation === 'number' ? kept.generation : 0;
    const changed = old === undefined || !same(desired(old), desired(next));
    const object: Json = {
      apiVersion:
        this.resource.group === '' ? this.resource.version : `${this.resource.group}/${this.resource.version}`,
      kind: this.resource.kind,
      ...without(next, 'apiVersion', 'kind', 'metadata'),
      metadata: {
        ...field(next, 'metadata'),
        name: target.name,
        ...(target.namespace === undefined ? {} : { namespace: target.namespace }),
        uid: kept.uid ?? randomUUID(),
        creationTimestamp: kept.creationTimestamp ?? now(),
        generation: changed ? generation + 1 : generation,
        resourceVersion: kept.resourceVersion ?? '',
        managedFields: managedFields(owners),
      },
    };
    if (old !== undefined && same(withoutOwners(old), withoutOwners(object))) {
      this.#entries.set(keyOf(target.name, target.namespace), { object: old, owners });
      return old;
    }
    const leaving = field(object, 'metadata').deletionTimestamp !== undefined && finalizers(object).length === 0;
    if (leaving) return this.#remove(target, object);
    const version = this.#nextVersion();
    const stored = stamped(object, version);
    this.#entries.set(keyOf(target.name, target.namespace), { object: stored, owners });
    this.#emit({
      type: old === undefined ? 'ADDED' : 'MODIFIED',
      version,
      object: stored,
      ...(old === undefined ? {} : { before: old }),
    });
    return stored;
  }

  #remove(target: Pick<Target, 'name' | 'namespace'>, object: Json): Json {
    this.#entries.delete(keyOf(target.name, target.namespace));
    const version = this.#nextVersion();
    const gone = stamped(object, version);
    this.#emit({ type: 'DELETED', version, before: object, object: gone });
    return gone;
  }

  #emit(event: StoredEvent): void {
    this.#history.push(event);
    for (const listener of [...this.#listeners]) listener(event);
  }
}

function keyOf(name: string, namespace: string | undefined): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

function finalizers(object: Json): readonly unknown[] {
  const value = field(object, 'metadata').finalizers;
  return Array.isArray(value) ? value : [];
}

/** What counts for `generation`. */
function desired(object: Json): Json {
  return without(object, 'metadata', 'status', 'apiVersion', 'kind');
}

/** What managers can own. */
function owned(object: Json): Json {
  const { labels, annotations, finalizers: ends, ownerReferences } = field(object, 'metadata');
  const metadata = Object.entries({ labels, annotations, finalizers: ends, ownerReferences });
  const given = metadata.filter(([, value]) => value !== undefined);
  const rest = without(object, 'apiVersion', 'kind', 'metadata');
  return given.length === 0 ? rest : { ...rest, metadata: Object.fromEntries(given) };
}

function withoutOwners(object: Json): Json {
  return { ...object, metadata: without(field(object, 'metadata'), 'managedFields') };
}

function stamped(object: Json, version: number): Json {
  return { ...object, metadata: { ...field(object, 'metadata'), resourceVersion: String(version) } };
}

function managedFields(owners: Owners): readonly Json[] {
  return [...owners].map(([manager, paths]) => ({
    manager,
    fieldsType: 'FieldsV1',
    fieldsV1: Object.fromEntries([...paths].map((path) => [path, {}])),
  }));
}

/** Whole seconds, as metav1.Time prints them. */
function now(): string {
  return new Date().toISOString().replace(/\.\d+Z$/, 'Z');
}
