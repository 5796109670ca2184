import { describe, expect, test } from 'vitest';
import { configMapType } from '../../src/api/core.ts';
import { isTooManyRequests } from '../../src/k8s/errors.ts';
import { startFakeCluster } from '../support/fake-api-server/cluster.ts';
import type { FaultAction } from '../support/fake-api-server/faults.ts';
import { SkippingClock } from '../support/fake-clock.ts';
import { keyFor, put, shows, watchConfigMaps } from './watching.ts';

/**
 * What was measured on @kubernetes/client-node 1.4 and 2.0, and is why the transport, the reflector and the election are
 * our own. Each test fails on the defect it is named after. Proxies, tokens and certificates: transport.test.ts.
 */
describe('measured defects of client-node', () => {
  test('200 sequential GETs made 200 TLS connections: here one', async () => {
    const { client, server } = await startFakeCluster();
    for (let i = 0; i < 200; i++) await client.get(configMapType, `m${i}`, 'default');
    expect(server.seen('configmaps')).toHaveLength(200);
    expect(server.connections).toBe(1);
  });

  test('20 GETs at once open no more than 20 connections, and the next 20 use them again', async () => {
    const { client, server } = await startFakeCluster();
    const burst = () =>
      Promise.all(Array.from({ length: 20 }, (_, i) => client.get(configMapType, `m${i}`, 'default')));
    await burst();
    const opened = server.connections;
    expect(opened).toBeLessThanOrEqual(20);
    // Beyond eight, idle connections are closed.
    await burst();
    expect(server.connections).toBeLessThanOrEqual(opened + 12);
  });

  test('a half-open watch was silent death: here it is noticed by its silence and resumed', async () => {
    const cluster = await startFakeCluster();
    const { store, notices } = watchConfigMaps(cluster, { clock: new SkippingClock(), timing: { idleMs: [60, 60] } });
    await store.whenSynced();
    cluster.server.finishWatches('stall');
    put(cluster, 'missed');
    await shows(store, ({ size }) => size === 1);
    expect(notices[0]).toMatchObject({ kind: 'disconnected', error: { timedOut: true } });
    expect(cluster.server.seen('configmaps')[1]?.query.get('resourceVersion')).toBe('1000');
  });

  test('a quiet watch was cut every 30 s: here bookmarks keep it', async () => {
    const cluster = await startFakeCluster();
    const { store, notices } = watchConfigMaps(cluster, { timing: { idleMs: [150, 150] } });
    await store.whenSynced();
    const beats = setInterval(() => cluster.server.sendBookmarks(), 30);
    const kept = setTimeout(() => put(cluster, 'after four times the limit'), 600);
    await shows(store, ({ size }) => size === 1);
    clearInterval(beats);
    clearTimeout(kept);
    expect(notices).toEqual([]);
    expect(cluster.server.requests).toHaveLength(1);
  });

  test('a watch without even bookmarks, as of a type that nobody uses, is resumed without an alarm', async () => {
    const cluster = await startFakeCluster();
    const timing = { idleMs: [40, 40], healthyMs: 0 } as const;
    const { store, notices } = watchConfigMaps(cluster, { timing });
    await store.whenSynced();
    await cluster.server.until(() => cluster.server.requests.length === 4);
    put(cluster, 'a');
    await shows(store, ({ size }) => size === 1);
    expect(notices).toEqual([]);
    expect(cluster.server.requests.filter(({ query }) => query.has('sendInitialEvents'))).toHaveLength(1);
  });

  const AT_ONCE: readonly (readonly [string, FaultAction])[] = [
    ['ends at once', { kind: 'after-lines', lines: 0, end: 'end' }],
    ['is cut at once', { kind: 'after-lines', lines: 0, end: 'cut' }],
    ['is refused with 500', { kind: 'refuse', code: 500 }],
    ['is refused with 410', { kind: 'refuse', code: 410 }],
    ['is refused with 403', { kind: 'refuse', code: 403 }],
    [
      'ends with an in-stream 410',
      { kind: 'error-in-stream', object: { kind: 'Status', code: 410, reason: 'Expired' } },
    ],
    ['is garbage', { kind: 'insert', afterLines: 0, text: '<html>\n' }],
  ];
  test.each(AT_ONCE)('a watch that %s made 3,874 requests in 10 s: here fewer than 20', async (_what, action) => {
    const cluster = await startFakeCluster();
    put(cluster, 'a');
    const clock = new SkippingClock();
    const { store } = watchConfigMaps(cluster, { clock });
    await store.whenSynced();
    cluster.server.fault({ when: 'watch', action });
    cluster.server.finishWatches('cut');
    await cluster.server.until(() => clock.monotonic() >= 10_000);
    expect(cluster.server.requests.length).toBeLessThan(20);
    expect(clock.waits.slice(0, 4)).toEqual([200, 400, 800, 1600]);
    expect(store.size).toBe(1);
  });

  test('410 on every watch after every list made 1,808 lists in 12 s: here fewer than 12', async () => {
    const cluster = await startFakeCluster({ streamingLists: false });
    const clock = new SkippingClock();
    cluster.server.fault({ when: 'resume', action: { kind: 'refuse', code: 410 } });
    watchConfigMaps(cluster, { clock });
    await cluster.server.until(() => clock.monotonic() >= 12_000);
    const lists = cluster.server.requests.filter(({ query }) => !query.has('watch'));
    expect(lists.length).toBeGreaterThan(2);
    expect(lists.length).toBeLessThan(12);
  });

  const MID_STREAM: readonly (readonly [string, FaultAction])[] = [
    ['a reset', { kind: 'after-lines', lines: 3, end: 'cut' }],
    ['a truncated line', { kind: 'after-lines', lines: 3, end: 'truncate' }],
    ['a clean end', { kind: 'after-lines', lines: 3, end: 'end' }],
    ['garbage', { kind: 'insert', afterLines: 3, text: 'not json at all\n' }],
    ['a JSON line that is no event', { kind: 'insert', afterLines: 3, text: '{"type":"SURPRISE"}\n' }],
    ['an in-stream ERROR 410', insertedError(410, 'Expired')],
    ['an in-stream ERROR 500', insertedError(500, 'InternalError')],
    ['an in-stream ERROR 403', insertedError(403, 'Forbidden')],
    [
      'an in-stream ERROR without a status',
      { kind: 'insert', afterLines: 3, text: '{"type":"ERROR","object":null}\n' },
    ],
  ];
  test.each(MID_STREAM)('%s mid-stream was death: here nothing is missed', async (_what, action) => {
    const cluster = await startFakeCluster();
    put(cluster, 'a');
    cluster.server.fault({ times: 1, when: 'streaming-list', action });
    const { store, notices } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    put(cluster, 'b');
    await shows(store, ({ size }) => size === 2);
    put(cluster, 'c');
    await shows(store, ({ size }) => size === 3);
    await cluster.server.until(() => cluster.server.requests.length === 2);
    expect(notices.map(({ kind }) => kind)).toContain('disconnected');
  });

  test('500 on the first list was death: here it is tried again', async () => {
    const cluster = await startFakeCluster();
    cluster.server.fault({ times: 3, action: { kind: 'refuse', code: 500 } });
    const { store, notices } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    expect(notices.map(({ kind }) => kind)).toEqual(['disconnected', 'disconnected', 'disconnected', 'recovered']);
  });

  test('429 was not heeded: here Retry-After is waited for', async () => {
    const cluster = await startFakeCluster();
    cluster.server.fault({ times: 1, action: { kind: 'refuse', code: 429, retryAfterSeconds: 7 } });
    const { store, notices } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    expect(notices[0]).toMatchObject({ kind: 'disconnected', retryInMs: 7000 });
    expect(notices[0]?.kind === 'disconnected' && isTooManyRequests(notices[0].error)).toBe(true);
  });

  test('a version from the future was asked for for ever: here it is forgotten', async () => {
    const cluster = await startFakeCluster();
    const { store } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    cluster.server.fault({ when: 'resume', action: { kind: 'refuse', code: 504, reason: 'Timeout' } });
    cluster.server.finishWatches('cut');
    await cluster.server.until(() => cluster.server.watches.size === 1 && cluster.server.requests.length === 3);
    expect(cluster.server.requests[2]?.query.get('sendInitialEvents')).toBe('true');
  });

  test('a server that is away is asked to resume, not to list again', async () => {
    const cluster = await startFakeCluster();
    const { store } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    cluster.server.fault({ times: 6, action: { kind: 'cut' } });
    cluster.server.finishWatches('cut');
    put(cluster, 'a');
    await shows(store, ({ size }) => size === 1);
    const resumed = cluster.server.requests.slice(1).map(({ query }) => query.get('resourceVersion'));
    expect(new Set(resumed)).toEqual(new Set(['1000']));
  });

  test.each([500, 503, 429])('a resume that is refused with %i once is resumed, not listed again', async (code) => {
    const cluster = await startFakeCluster();
    const { store } = watchConfigMaps(cluster, { clock: new SkippingClock() });
    await store.whenSynced();
    cluster.server.fault({ times: 2, when: 'resume', action: { kind: 'refuse', code } });
    cluster.server.finishWatches('cut');
    put(cluster, 'a');
    await shows(store, ({ size }) => size === 1);
    expect(cluster.server.requests.filter(({ query }) => query.has('sendInitialEvents'))).toHaveLength(1);
  });

  test('a stopped informer was revived by the error that its stop raised: here a stop is silent and final', async () => {
    const cluster = await startFakeCluster();
    const clock = new SkippingClock();
    const { store, stop, notices } = watchConfigMaps(cluster, { clock });
    await store.whenSynced();
    await stop();
    await cluster.server.until(() => cluster.server.watches.size === 0);
    expect([notices.length, clock.pending, cluster.server.requests.length]).toEqual([0, 0, 1]);
  });

  test('stop during back-off left a ghost watch: here nothing waits and nothing is asked', async () => {
    const cluster = await startFakeCluster();
    cluster.server.fault({ action: { kind: 'refuse', code: 500 } });
    let stopping: Promise<void> | undefined;
    const clock = new SkippingClock();
    const { stop, stopped } = watchConfigMaps(cluster, {
      clock,
      onNotice: () => {
        // The wait that this announces begins in the same turn.
        queueMicrotask(() => {
          stopping = stop();
        });
      },
    });
    await stopped;
    await stopping;
    expect([clock.pending, clock.waits.length, cluster.server.requests.length]).toEqual([0, 0, 1]);
  });

  test('stop while a list or a connection is under way leaves nothing behind', async () => {
    const cluster = await startFakeCluster({ streamingLists: false });
    cluster.server.fault({ when: 'plain', action: { kind: 'stall' } });
    const clock = new SkippingClock();
    const { stop, store } = watchConfigMaps(cluster, { clock });
    await cluster.server.until(() => cluster.server.requests.length === 2);
    await stop();
    expect([clock.pending, cluster.server.requests.length, store.synced]).toEqual([0, 2, false]);
  });

  test('a throwing handler ended the process: here it is reported and the others are told', async () => {
    const cluster = await startFakeCluster();
    const { store, notices } = watchConfigMaps(cluster);
    const told: string[] = [];
    store.subscribe(() => {
      throw new Error('handler');
    });
    store.subscribe(async () => {
      throw new Error('async handler');
    });
    store.subscribe(({ key }) => told.push(key));
    await store.whenSynced();
    put(cluster, 'a');
    put(cluster, 'b');
    await shows(store, ({ size }) => size === 2);
    await new Promise(setImmediate);
    expect(told).toEqual([keyFor('a'), keyFor('b')]);
    expect(notices.filter(({ kind }) => kind === 'subscriber-failed')).toHaveLength(4);
    expect(cluster.server.requests).toHaveLength(1);
  });

  test('bookmarks and an end were never asked for: here both are, the end at a random time', async () => {
    const cluster = await startFakeCluster();
    for (const random of [0, 0.5, 0.999]) {
      const { store, stop } = watchConfigMaps(cluster, { random: () => random });
      await store.whenSynced();
      await stop();
    }
    const asked = cluster.server.requests.map(({ query }) => query);
    expect(asked.map((query) => query.get('timeoutSeconds'))).toEqual(['300', '450', '600']);
    expect(asked.map((query) => query.get('allowWatchBookmarks'))).toEqual(['true', 'true', 'true']);
  });

  test('a watch that lived and ended as asked is resumed without a wait', async () => {
    const cluster = await startFakeCluster();
    const clock = new SkippingClock();
    const { store, notices } = watchConfigMaps(cluster, { clock });
    await store.whenSynced();
    clock.pass(300_000);
    cluster.server.finishWatches('end');
    await cluster.server.until(() => cluster.server.requests.length === 2);
    expect([clock.waits, notices]).toEqual([[0], []]);
  });

  test('a plain object was sent as JSON patch and refused: here every PATCH says what it is', async () => {
    const { client, server } = await startFakeCluster();
    const target = { name: 'a', namespace: 'default' };
    await client.apply(configMapType, { metadata: target, data: { x: '1' } }, { fieldManager: 'me' });
    await client.patch(configMapType, target, { data: { y: '2' } });
    expect(server.seen('configmaps', 'PATCH').map(({ headers }) => headers['content-type'])).toEqual([
      'application/apply-patch+yaml',
      'application/merge-patch+json',
    ]);
    expect((await client.get(configMapType, 'a', 'default'))?.data).toEqual({ x: '1', y: '2' });
  });
});

function insertedError(code: number, reason: string): FaultAction {
  const event = { type: 'ERROR', object: { kind: 'Status', apiVersion: 'v1', code, reason, message: 'in stream' } };
  return { kind: 'insert', afterLines: 3, text: `${JSON.stringify(event)}\n` };
}
