import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configMapType, type Lease, leaseType } from '../../src/api/core.ts';
import type { KubernetesObject, OwnerReference, ResourceType } from '../../src/api/resource.ts';
import { type Client, createClient } from '../../src/k8s/client.ts';
import type { Connection } from '../../src/k8s/connection.ts';
import { campaign } from '../../src/k8s/election.ts';
import { isAlreadyExists, isConflict, isNotFound } from '../../src/k8s/errors.ts';
import { createEventRecorder, eventType } from '../../src/k8s/events.ts';
import { heartbeat } from '../../src/k8s/lease.ts';
import { type ReflectorOptions, startReflector } from '../../src/k8s/reflector.ts';
import { resourcePath } from '../../src/k8s/resource-path.ts';
import type { Store } from '../../src/k8s/store.ts';
import { createTransport, type Transport } from '../../src/k8s/transport.ts';
import { systemClock } from '../../src/runtime/clock.ts';

/** A cluster under contract: an empty one that serves `widgetType`. */
export interface ContractCluster {
  readonly connection: Connection;
  stop(): Promise<void>;
}

/** A custom resource with a status subresource. */
export interface Widget extends KubernetesObject {
  readonly spec?: { readonly size?: number; readonly colour?: string };
  readonly status?: { readonly ready?: boolean; readonly seen?: string };
}

export const widgetType: ResourceType<Widget> = {
  group: 'contract.sallyport.dev',
  version: 'v1',
  kind: 'Widget',
  plural: 'widgets',
  namespaced: true,
  parse: (raw) => raw as Widget,
};

/** The CustomResourceDefinition of `widgetType`, for a server that needs one. */
export const widgetDefinition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${widgetType.plural}.${widgetType.group}` },
  spec: {
    group: widgetType.group,
    scope: 'Namespaced',
    names: { plural: widgetType.plural, singular: 'widget', kind: widgetType.kind, listKind: 'WidgetList' },
    versions: [
      {
        name: widgetType.version,
        served: true,
        storage: true,
        subresources: { status: {} },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: {
              spec: {
                type: 'object',
                properties: { size: { type: 'integer' }, colour: { type: 'string' } },
              },
              status: {
                type: 'object',
                properties: { ready: { type: 'boolean' }, seen: { type: 'string' } },
              },
            },
          },
        },
      },
    ],
  },
};

interface Parties {
  readonly transport: Transport;
  readonly client: Client;
  /** A name that no other test uses. */
  fresh(): string;
}

const NAMESPACE = 'default';
const at = (name: string) => ({ name, namespace: NAMESPACE });
const ME = { fieldManager: 'me' };

/** What the k8s layer relies on, on any API server: the real one and the fake. */
export function describeCluster(name: string, start: () => Promise<ContractCluster>, startTimeoutMs = 60_000): void {
  describe(name, () => {
    let cluster: ContractCluster | undefined;
    let transport: Transport | undefined;
    let count = 0;
    const parties = (): Parties => {
      if (transport === undefined) throw new Error('the cluster has not started');
      return { transport, client: createClient(transport), fresh: () => `thing-${++count}` };
    };
    beforeAll(async () => {
      cluster = await start();
      transport = createTransport(cluster.connection, { userAgent: 'sallyport-contract' });
    }, startTimeoutMs);
    afterAll(async () => {
      transport?.close();
      await cluster?.stop();
    });
    describeObjects(parties);
    describeApply(parties);
    describeStatus(parties);
    describeWatch(parties);
    describeLeases(parties);
    describeEvents(parties);
  });
}

function describeObjects(parties: () => Parties): void {
  test('objects are created, read, patched, replaced, deleted', async () => {
    const { client, fresh } = parties();
    const name = fresh();
    expect(await client.get(configMapType, name, NAMESPACE)).toBeUndefined();
    const made = await client.create(configMapType, { metadata: at(name), data: { a: '1' } });
    expect(made).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap', metadata: at(name), data: { a: '1' } });
    expect(made.metadata.uid).not.toBe('');
    await client.patch(configMapType, at(name), { data: { a: null, b: '2' } });
    expect(await client.get(configMapType, name, NAMESPACE)).toMatchObject({ data: { b: '2' } });
    await client.replace(configMapType, { metadata: at(name), data: { c: '3' } });
    expect((await client.get(configMapType, name, NAMESPACE))?.data).toEqual({ c: '3' });
    expect([await client.delete(configMapType, at(name)), await client.delete(configMapType, at(name))]).toEqual([
      true,
      false,
    ]);
  });

  test('a taken name, a stale version and a wrong uid are conflicts that can be told apart', async () => {
    const { client, fresh } = parties();
    const name = fresh();
    const old = await client.create(configMapType, { metadata: at(name) });
    const failure = (promise: Promise<unknown>) =>
      promise.then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(isAlreadyExists(await failure(client.create(configMapType, { metadata: at(name) })))).toBe(true);
    await client.patch(configMapType, at(name), { data: { changed: 'yes' } });
    expect(isConflict(await failure(client.replace(configMapType, { metadata: old.metadata })))).toBe(true);
    const wrong = { uid: '00000000-0000-0000-0000-000000000000' };
    expect(isConflict(await failure(client.delete(configMapType, at(name), wrong)))).toBe(true);
    expect(await client.delete(configMapType, at(name), { uid: old.metadata.uid })).toBe(true);
  });

  test('a list is whole however long, and only what the selectors match', async () => {
    const { client, fresh } = parties();
    const label = fresh();
    const names = Array.from({ length: 520 }, (_, i) => `${label}-${i}`);
    for (let begin = 0; begin < names.length; begin += 8) {
      await Promise.all(
        names
          .slice(begin, begin + 8)
          .map((name, i) =>
            client.create(configMapType, { metadata: { ...at(name), labels: { set: label, half: String(i % 2) } } }),
          ),
      );
    }
    const of = async (labelSelector: string) => (await client.list(configMapType, { labelSelector })).items;
    const all = await of(`set=${label}`);
    expect(new Set(all.map(({ metadata }) => metadata.name))).toEqual(new Set(names));
    expect(all[0]).toMatchObject({ apiVersion: 'v1', kind: 'ConfigMap' });
    expect(await of(`set=${label},half=1`)).toHaveLength(260);
    expect(await of(`set=${label},half notin (0,1)`)).toHaveLength(0);
    const { items } = await client.list(configMapType, {
      fieldSelector: `metadata.name=${names[7]}`,
      namespace: NAMESPACE,
    });
    expect(items.map(({ metadata }) => metadata.name)).toEqual([names[7]]);
  });

  test('the server tells what it serves', async () => {
    const { client } = parties();
    const served = [
      configMapType,
      widgetType,
      { ...configMapType, plural: 'nothings' },
      { ...widgetType, version: 'v9' },
    ];
    expect(await Promise.all(served.map((type) => client.discover<KubernetesObject>(type)))).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
}

function describeApply(parties: () => Parties): void {
  test('what a manager applied before and leaves out now is removed, what others own stays', async () => {
    const { client, fresh } = parties();
    const name = fresh();
    await client.apply(configMapType, { metadata: at(name), data: { a: '1', b: '2' } }, ME);
    await client.apply(configMapType, { metadata: at(name), data: { theirs: 'x' } }, { fieldManager: 'other' });
    const after = await client.apply(configMapType, { metadata: at(name), data: { a: '1' } }, ME);
    expect(after.data).toEqual({ a: '1', theirs: 'x' });
  });

  test("another's field is a conflict unless forced, and then it is ours", async () => {
    const { client, fresh } = parties();
    const name = fresh();
    const apply = (who: string, value: string, force: boolean) =>
      client.apply(configMapType, { metadata: at(name), data: { a: value } }, { fieldManager: who, force });
    await apply('first', '1', false);
    await expect(apply('second', '2', false)).rejects.toSatisfy(isConflict);
    expect((await apply('second', '1', false)).data).toEqual({ a: '1' });
    expect((await apply('third', '3', true)).data).toEqual({ a: '3' });
    await expect(apply('first', '1', false)).rejects.toSatisfy(isConflict);
  });

  test('applying the same again changes nothing, not even the version', async () => {
    const { client, fresh } = parties();
    const name = fresh();
    const apply = () => client.apply(widgetType, { metadata: at(name), spec: { size: 1 } }, ME);
    const [first, second] = [await apply(), await apply()];
    expect(second.metadata.resourceVersion).toBe(first.metadata.resourceVersion);
  });
}

function describeStatus(parties: () => Parties): void {
  test('status is written by its subresource alone, and only the spec counts for generation', async () => {
    const { client, fresh } = parties();
    const name = fresh();
    const made = await client.apply(widgetType, { metadata: at(name), spec: { size: 1 }, status: { ready: true } }, ME);
    expect([made.metadata.generation, made.status]).toEqual([1, undefined]);
    const judged = await client.applyStatus(widgetType, at(name), { ready: true }, ME);
    expect([judged.metadata.generation, judged.spec, judged.status]).toEqual([1, { size: 1 }, { ready: true }]);
    const grown = await client.apply(widgetType, { metadata: at(name), spec: { size: 2 } }, ME);
    expect([grown.metadata.generation, grown.spec, grown.status]).toEqual([2, { size: 2 }, { ready: true }]);
    const again = await client.applyStatus(widgetType, at(name), { seen: 'now' }, ME);
    expect([again.spec, again.status]).toEqual([{ size: 2 }, { seen: 'now' }]);
  });

  test('the status of what is gone is not found', async () => {
    const { client, fresh } = parties();
    await expect(client.applyStatus(widgetType, at(fresh()), { ready: true }, ME)).rejects.toSatisfy(isNotFound);
  });
}

function describeWatch(parties: () => Parties): void {
  test('a reflector shows what there was and follows what happens, finalizers included', async () => {
    const { client, transport, fresh } = parties();
    const [name, other] = [fresh(), fresh()];
    const labels = { watch: name };
    const finalizers = ['contract.sallyport.dev/hold'];
    await client.create(configMapType, { metadata: { ...at(name), labels, finalizers } });
    await following(transport, { labelSelector: `watch=${name}` }, async (store, changes) => {
      expect(changes).toEqual([`+${name}`]);
      await client.create(configMapType, { metadata: { ...at(other), labels } });
      await until(store, () => changes.length === 2);
      await client.delete(configMapType, at(name));
      await until(store, () => changes.length === 3);
      expect(
        [...store.values()].find(({ metadata }) => metadata.name === name)?.metadata.deletionTimestamp,
      ).toBeTruthy();
      await client.patch(configMapType, at(name), { metadata: { finalizers: null } });
      await until(store, () => changes.length === 4);
      await client.patch(configMapType, at(other), { metadata: { labels: { watch: 'not-this' } } });
      await until(store, () => changes.length === 5);
      expect(changes).toEqual([`+${name}`, `+${other}`, `~${name}`, `-${name}`, `-${other}`]);
      expect(BigInt(store.lastResourceVersion)).toBeGreaterThan(0n);
    });
  });

  test('a streaming list ends in a bookmark that says so', async () => {
    const { transport } = parties();
    const lines: string[] = [];
    const enough = new AbortController();
    const onLine = (line: string) => {
      lines.push(line);
      if (line.includes('k8s.io/initial-events-end')) enough.abort();
    };
    const streaming = { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true };
    const query = { watch: true, ...streaming, timeoutSeconds: 10 };
    const path = resourcePath(configMapType, { namespace: NAMESPACE });
    const stream = transport.stream({ method: 'GET', path, query, signal: enough.signal }, { onLine, idleMs: 9000 });
    await stream.catch(() => undefined);
    expect(JSON.parse(lines.at(-1) ?? '')).toMatchObject({ type: 'BOOKMARK', object: { kind: 'ConfigMap' } });
  });

  test('a watch from a version that was forgotten answers 200 and then an ERROR 410', async () => {
    const { transport } = parties();
    const lines: string[] = [];
    // The type is younger than the cluster, so the first version is from before its history.
    const query = { watch: true, resourceVersion: '1', timeoutSeconds: 5 };
    const path = resourcePath(widgetType, { namespace: NAMESPACE });
    await transport.stream({ method: 'GET', path, query }, { onLine: (line) => lines.push(line), idleMs: 9000 });
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ type: 'ERROR', object: { kind: 'Status', code: 410 } });
  });

  test('the server ends a watch when it was asked to', async () => {
    const { transport } = parties();
    const query = { watch: true, timeoutSeconds: 1 };
    const path = resourcePath(configMapType, { namespace: NAMESPACE });
    await transport.stream({ method: 'GET', path, query }, { onLine: () => undefined, idleMs: 9000 });
  });
}

function describeLeases(parties: () => Parties): void {
  test('of two candidates one leads; when it goes, the other follows at once', async () => {
    const { client, transport, fresh } = parties();
    const name = fresh();
    const candidates = ['a', 'b'].map((identity) => candidate(transport, name, identity));
    const holder = async () => (await client.get(leaseType, name, NAMESPACE))?.spec.holderIdentity;
    const first = await Promise.race(candidates.map((each) => each.elected));
    const second = candidates.find((each) => each !== first);
    expect([await holder(), second?.leading()]).toEqual([first.identity, false]);
    const began = systemClock.monotonic();
    await first.stop();
    await second?.elected;
    // Far less than the 5 s that the lease would have lasted.
    expect(systemClock.monotonic() - began).toBeLessThan(3000);
    const lease = await client.get(leaseType, name, NAMESPACE);
    expect([lease?.spec.holderIdentity, lease?.spec.leaseDurationSeconds]).toEqual([second?.identity, 5]);
    expect(lease?.spec.leaseTransitions).toBeGreaterThan(0);
    await second?.stop();
    expect((await holder()) ?? '').toBe('');
  });

  test('a heartbeat renews a lease that its owner takes along', async () => {
    const { client, transport, fresh } = parties();
    const owned = await client.create(configMapType, { metadata: at(fresh()) });
    const owner: OwnerReference = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      name: owned.metadata.name,
      uid: owned.metadata.uid,
    };
    const name = fresh();
    const stop = new AbortController();
    const seen: Lease[] = [];
    const options = { everyMs: 30, identity: 'node-a', fieldManager: 'agent', clock: systemClock, signal: stop.signal };
    const beating = heartbeat(client, { ...at(name), ...options, labels: { for: name }, owner });
    await following(
      transport,
      { labelSelector: `for=${name}` },
      async (store) => {
        store.subscribe(({ after }) => after && seen.push(after));
        await until(store, () => seen.length >= 3);
      },
      leaseType,
    );
    stop.abort();
    await beating;
    expect(new Set(seen.map(({ spec }) => spec.renewTime)).size).toBe(seen.length);
    expect(seen[0]?.metadata.ownerReferences).toMatchObject([owner]);
    expect(seen[0]?.spec.renewTime).toMatch(/\.\d{6}Z$/);
  });
}

interface RecordedEvent extends KubernetesObject {
  readonly series?: { readonly count: number };
  readonly note: string;
  readonly reason: string;
  readonly regarding: { readonly name: string };
}

function describeEvents(parties: () => Parties): void {
  test('the same happening is one Event with a count', async () => {
    const { client, fresh } = parties();
    const regarding = await client.create(configMapType, { metadata: at(fresh()) });
    const failures: unknown[] = [];
    const recorder = createEventRecorder(client, {
      controller: 'sallyport.dev/contract',
      instance: 'test',
      clock: systemClock,
      onFailure: (error) => failures.push(error),
    });
    const happening = { regarding, type: 'Warning', reason: 'Broken', action: 'Look', note: 'é'.repeat(2000) } as const;
    recorder.record(happening);
    await recorder.flush();
    recorder.record(happening);
    recorder.record(happening);
    recorder.record({ ...happening, reason: 'Different' });
    await recorder.flush();
    const type: ResourceType<RecordedEvent> = { ...eventType, parse: (raw) => raw as RecordedEvent };
    const { items } = await client.list(type, { namespace: NAMESPACE });
    const mine = items.filter((event) => event.regarding.name === regarding.metadata.name);
    const counts = mine.map((event) => [event.reason, event.series?.count]).sort();
    expect(failures).toEqual([]);
    expect(counts).toEqual([
      ['Broken', 3],
      ['Different', undefined],
    ]);
    expect(Buffer.byteLength(mine[0]?.note ?? '')).toBeLessThanOrEqual(1024);
  });
}

interface Standing {
  readonly identity: string;
  leading(): boolean;
  /** Resolves with the candidate when it leads for the first time. */
  readonly elected: Promise<Standing>;
  stop(): Promise<void>;
}

function candidate(transport: Transport, name: string, identity: string): Standing {
  const stop = new AbortController();
  const { promise, resolve } = Promise.withResolvers<Standing>();
  let leading = false;
  const election = { name, namespace: NAMESPACE, identity, clock: systemClock, signal: stop.signal };
  const timing = { leaseSeconds: 5, renewDeadlineMs: 3000, retryMs: 100 };
  const ended = campaign(transport, { ...election, timing }, async (term) => {
    leading = true;
    resolve(self);
    await new Promise((end) => term.addEventListener('abort', end, { once: true }));
    leading = false;
  });
  const self: Standing = {
    identity,
    leading: () => leading,
    elected: promise,
    stop: () => {
      stop.abort();
      return ended;
    },
  };
  return self;
}

async function following<T extends KubernetesObject = KubernetesObject>(
  transport: Transport,
  selection: Pick<ReflectorOptions, 'labelSelector'>,
  during: (store: Store<T>, changes: readonly string[]) => Promise<void>,
  type: ResourceType<T> = configMapType as unknown as ResourceType<T>,
): Promise<void> {
  const stop = new AbortController();
  const changes: string[] = [];
  const options = { ...selection, namespace: NAMESPACE, signal: stop.signal, clock: systemClock };
  const { store, stopped } = startReflector(transport, type, options);
  store.subscribe(({ before, after }) => {
    const sign = after === undefined ? '-' : before === undefined ? '+' : '~';
    changes.push(`${sign}${(after ?? before)?.metadata.name}`);
  });
  await store.whenSynced();
  try {
    await during(store, changes);
  } finally {
    stop.abort();
    await stopped;
  }
}

function until<T>(store: Store<T>, holds: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (!holds()) return;
      unsubscribe();
      resolve();
    };
    const unsubscribe = store.subscribe(look);
    look();
  });
}
