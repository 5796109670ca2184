import { describe, expect, test } from 'vitest';
import { type ConfigMap, configMapType } from '../../src/api/core.ts';
import type { ResourceType } from '../../src/api/resource.ts';
import { startReflector } from '../../src/k8s/reflector.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { startFakeCluster } from '../support/fake-api-server/cluster.ts';
import { SkippingClock } from '../support/fake-clock.ts';
import { drop, keyFor, put, shows, watchConfigMaps } from './watching.ts';

describe('following a collection', () => {
  test('everything there was, then every change, in one request', async () => {
    const cluster = await startFakeCluster();
    put(cluster, 'a');
    put(cluster, 'b');
    const { store, changes } = watchConfigMaps(cluster);
    await store.whenSynced();
    expect([...store.values()].map(({ metadata }) => metadata.name)).toEqual(['a', 'b']);
    put(cluster, 'a', { changed: 'yes' });
    put(cluster, 'c');
    drop(cluster, 'b');
    await shows(store, () => store.get(keyFor('b')) === undefined);
    expect(changes).toEqual(['+a', '+b', '~a', '+c', '-b']);
    expect(store.get(keyFor('a'))?.data).toEqual({ changed: 'yes' });
    expect(cluster.server.seen('configmaps')).toHaveLength(1);
  });

  test('a subscriber finds the store already changed, and the version of the change reached', async () => {
    const cluster = await startFakeCluster();
    const { store } = watchConfigMaps(cluster);
    await store.whenSynced();
    const seen: unknown[] = [];
    store.subscribe(({ key, after }) => {
      seen.push(store.get(key) === after, store.lastResourceVersion === after?.metadata.resourceVersion);
    });
    put(cluster, 'a');
    await shows(store, ({ size }) => size === 1);
    expect(seen).toEqual([true, true]);
  });

  test('managedFields never reach a store', async () => {
    const cluster = await startFakeCluster();
    put(cluster, 'a');
    const raw: ResourceType<ConfigMap> = { ...configMapType, parse: (object) => object as ConfigMap };
    const { store } = startReflector(cluster.transport, raw, { clock: systemClock, signal: cluster.signal });
    await store.whenSynced();
    expect(Object.keys(store.get(keyFor('a'))?.metadata ?? {})).toContain('uid');
    expect(Object.keys(store.get(keyFor('a'))?.metadata ?? {})).not.toContain('managedFields');
  });

  test('bookmarks move the version on while nothing changes', async () => {
    const cluster = await startFakeCluster();
    const { store } = watchConfigMaps(cluster);
    await store.whenSynced();
    const before = Number(store.lastResourceVersion);
    cluster.server.nextVersion();
    cluster.server.sendBookmarks();
    put(cluster, 'last');
    await shows(store, ({ size }) => size === 1);
    cluster.server.finishWatches('cut');
    await cluster.server.until(() => cluster.server.seen('configmaps').length === 2);
    expect(Number(store.lastResourceVersion)).toBe(before + 2);
    expect(cluster.server.seen('configmaps')[1]?.query.get('resourceVersion')).toBe(store.lastResourceVersion);
  });

  test('only one namespace, only what the selectors match; what ceases to match is removed', async () => {
    const cluster = await startFakeCluster();
    const { store, changes } = watchConfigMaps(cluster, { namespace: 'here', labelSelector: 'team=a' });
    await store.whenSynced();
    const write = (namespace: string, name: string, team: string) =>
      cluster.client.apply(configMapType, { metadata: { namespace, name, labels: { team } } }, { fieldManager: 'x' });
    await write('elsewhere', 'x', 'a');
    await write('here', 'x', 'b');
    await write('here', 'y', 'a');
    await write('here', 'y', 'b');
    await shows(store, () => changes.includes('-y'));
    expect(changes).toEqual(['+y', '-y']);
  });

  test('an object that does not parse is reported and left out; the others are there', async () => {
    const cluster = await startFakeCluster();
    put(cluster, 'good');
    put(cluster, 'bad');
    const picky: ResourceType<ConfigMap> = {
      ...configMapType,
      parse: (raw) => {
        const parsed = configMapType.parse(raw);
        if (parsed.metadata.name === 'bad' && parsed.data.fixed === undefined) throw new Error('bad shape');
        return parsed;
      },
    };
    const notices: unknown[] = [];
    const { store } = startReflector(cluster.transport, picky, {
      clock: systemClock,
      signal: cluster.signal,
      onNotice: (notice) => notices.push(notice),
    });
    await store.whenSynced();
    expect([...store.entries()].map(([key]) => key)).toEqual(['default/good']);
    expect(notices).toMatchObject([{ kind: 'unparsable', key: 'default/bad' }]);
    put(cluster, 'bad', { fixed: 'yes' });
    await shows(store, ({ size }) => size === 2);
    put(cluster, 'bad', {});
    await shows(store, ({ size }) => size === 1);
    expect(notices).toHaveLength(2);
  });

  test('whenSynced can be given up, and rejects when the reflector stops first', async () => {
    const cluster = await startFakeCluster();
    cluster.server.fault({ action: { kind: 'stall' } });
    const { store, stop } = watchConfigMaps(cluster);
    const patience = new AbortController();
    const waits = [store.whenSynced(patience.signal), store.whenSynced()];
    patience.abort(new Error('enough'));
    await expect(waits[0]).rejects.toThrow('enough');
    await Promise.all([expect(waits[1]).rejects.toThrow('stopped before'), stop()]);
    await expect(store.whenSynced()).rejects.toThrow('stopped before');
  });
});

describe('servers that cannot list by watch', () => {
  test('are listed page by page, then watched from that version', async () => {
    const cluster = await startFakeCluster({ streamingLists: false });
    for (let i = 0; i < 1100; i++) put(cluster, `m${i}`);
    const { store } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    expect(store.size).toBe(1100);
    await cluster.server.until(() => cluster.server.watches.size === 1);
    put(cluster, 'later');
    await shows(store, ({ size }) => size === 1101);
    const asked = cluster.server.seen('configmaps').map(({ query }) => query.has('watch'));
    expect(asked).toEqual([true, false, false, false, true]);
  });

  test('are recognised even when they accept and then stay silent', async () => {
    const cluster = await startFakeCluster();
    put(cluster, 'a');
    cluster.server.fault({ when: 'streaming-list', action: { kind: 'after-lines', lines: 1, end: 'stall' } });
    const { store } = watchConfigMaps(cluster, { clock: new SkippingClock(), timing: { idleMs: [40, 40] } });
    await store.whenSynced();
    expect(store.size).toBe(1);
  });

  test('a list whose continue token expires begins again and shows every object once', async () => {
    const cluster = await startFakeCluster({ streamingLists: false });
    for (let i = 0; i < 600; i++) put(cluster, `m${i}`);
    const { server } = cluster;
    const expired = { kind: 'refuse', code: 410, reason: 'Expired' } as const;
    // By the time the second page is asked for, an object of the first one is gone.
    void server.until(() => server.requests.length === 3).then(() => drop(cluster, 'm0'));
    server.fault({ when: 'streaming-list', times: 1, action: { kind: 'refuse', code: 422 } });
    server.fault({ when: 'plain', times: 1, action: { kind: 'slow', ms: 0 } });
    server.fault({ when: 'plain', times: 1, action: expired });
    const { store, changes } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    expect(store.size).toBe(599);
    expect(changes).toHaveLength(599);
    expect(server.seen('configmaps').filter(({ query }) => !query.has('watch'))).toHaveLength(3);
  });
});

describe('stopping', () => {
  test.each([true, false])(
    'in the middle of a list announces nothing any more (streaming: %o)',
    async (streamingLists) => {
      const cluster = await startFakeCluster({ streamingLists });
      put(cluster, 'a');
      const stop = new AbortController();
      const type: ResourceType<ConfigMap> = {
        ...configMapType,
        parse: (raw) => {
          stop.abort();
          return configMapType.parse(raw);
        },
      };
      const { store, stopped } = startReflector(cluster.transport, type, {
        clock: new SkippingClock(),
        signal: stop.signal,
      });
      store.subscribe(() => expect.unreachable());
      await stopped;
      expect([store.size, store.synced]).toEqual([0, false]);
    },
  );
});

test('a watch that the server ends again and again, each time after it has told something, is resumed soon', async () => {
  const cluster = await startFakeCluster();
  put(cluster, 'a');
  const clock = new SkippingClock();
  const { store } = watchConfigMaps(cluster, { clock });
  await store.whenSynced();
  cluster.server.fault({ when: 'resume', times: 1, action: { kind: 'cut' } });
  cluster.server.fault({ when: 'resume', times: 7, action: { kind: 'after-lines', lines: 1, end: 'end' } });
  cluster.server.finishWatches('cut');
  await cluster.server.until(() => cluster.server.watches.size === 0);
  for (const name of ['b', 'c', 'd', 'e', 'f', 'g', 'h', 'i']) put(cluster, name);
  await shows(store, ({ size }) => size === 9);
  expect(clock.waits.length).toBeGreaterThan(7);
  expect(Math.max(...clock.waits)).toBeLessThanOrEqual(400);
});

describe('a new list after the history was lost', () => {
  test('replaces the content at once and announces exactly the differences, removed objects too', async () => {
    const cluster = await startFakeCluster();
    for (const name of ['kept', 'changed', 'removed']) put(cluster, name);
    const { store, changes } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    const kept = store.get(keyFor('kept'));
    cluster.server.fault({ times: 2, when: 'resume', action: { kind: 'cut' } });
    cluster.server.finishWatches('cut');
    await cluster.server.until(() => cluster.server.watches.size === 0);
    put(cluster, 'changed', { now: 'different' });
    drop(cluster, 'removed');
    put(cluster, 'added');
    cluster.server.compact();
    const sizes = new Set<number>();
    store.subscribe(() => sizes.add(store.size));
    await shows(store, () => store.get(keyFor('added')) !== undefined);
    expect(changes.slice(3)).toEqual(['-removed', '+added', '~changed']);
    expect(sizes).toEqual(new Set([3]));
    expect(store.get(keyFor('kept'))).toBe(kept);
  });

  test('a server that was put back to an earlier history is followed from there, also where versions are given out anew', async () => {
    const cluster = await startFakeCluster();
    for (const name of ['kept', 'changed']) put(cluster, name);
    const { store, notices } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    const restore = cluster.server.backup();
    put(cluster, 'changed', { later: 'forgotten' });
    put(cluster, 'forgotten');
    await shows(store, ({ size }) => size === 3);
    cluster.server.fault({ times: 1, when: 'resume', action: { kind: 'cut' } });
    cluster.server.finishWatches('cut');
    await cluster.server.until(() => cluster.server.watches.size === 0);
    const before = store.get(keyFor('changed'))?.metadata.resourceVersion;
    restore();
    put(cluster, 'changed', { later: 'different' });
    await shows(store, ({ size }) => size === 2);
    expect(store.get(keyFor('changed'))?.metadata.resourceVersion).toBe(before);
    expect(store.get(keyFor('changed'))?.data).toEqual({ later: 'different' });
    expect(notices).toContainEqual(expect.objectContaining({ kind: 'rewound' }));
  });

  test('an object that was deleted and made again under its name is a changed object', async () => {
    const cluster = await startFakeCluster();
    put(cluster, 'a');
    const { store } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    const uid = store.get(keyFor('a'))?.metadata.uid;
    cluster.server.finishWatches('cut');
    drop(cluster, 'a');
    put(cluster, 'a');
    cluster.server.compact();
    await shows(store, () => store.get(keyFor('a'))?.metadata.uid !== uid);
    expect(store.size).toBe(1);
  });

  test('a list that is cut in the middle leaves the content as it was until one completes', async () => {
    const cluster = await startFakeCluster();
    for (const name of ['a', 'b', 'c']) put(cluster, name);
    const { store, changes } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    cluster.server.fault({ when: 'streaming-list', times: 2, action: { kind: 'after-lines', lines: 1, end: 'cut' } });
    cluster.server.compact();
    cluster.server.nextVersion();
    cluster.server.compact();
    cluster.server.finishWatches('cut');
    await cluster.server.until(() => cluster.server.watches.size === 1 && cluster.server.requests.length >= 5);
    put(cluster, 'd');
    await shows(store, ({ size }) => size === 4);
    expect(changes).toEqual(['+a', '+b', '+c', '+d']);
  });
});
