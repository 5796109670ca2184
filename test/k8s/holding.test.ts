import { describe, expect, test } from 'vitest';
import { type FakeCluster, startFakeCluster } from '../support/fake-api-server/cluster.ts';
import { SkippingClock } from '../support/fake-clock.ts';
import { drop, keyFor, put, shows, watchConfigMaps } from './watching.ts';

const COUNT = 40;
const names = Array.from({ length: COUNT }, (_, index) => `m${index}`);

/** A reflector that has seen all of them. */
async function following(cluster: FakeCluster, holds = true) {
  for (const name of names) put(cluster, name);
  const watching = watchConfigMaps(cluster, { clock: new SkippingClock(), holds });
  await watching.store.whenSynced();
  await cluster.server.until(() => cluster.server.watches.size === 1);
  const released = () => watching.notices.find(({ kind }) => kind === 'released');
  return { ...watching, released };
}

/** Has the server answer the next list with these alone, once it has made everybody list again. */
function lie(cluster: FakeCluster, listed: readonly string[]): void {
  const { server } = cluster;
  const items = listed.map((name) => ({
    metadata: { name, namespace: 'default', uid: `other ${name}`, resourceVersion: '1' },
  }));
  server.nextVersion();
  server.compact();
  const metadata = { resourceVersion: `${server.nextVersion()}` };
  server.fault({ when: 'list', times: 1, action: { kind: 'answer', text: JSON.stringify({ metadata, items }) } });
  server.finishWatches('cut');
}

/** Nobody watches any more, and who tries is sent away, as often as it takes to delete these. */
async function dropUnseen(cluster: FakeCluster, gone: readonly string[]): Promise<void> {
  const { server } = cluster;
  server.fault({ times: 2, when: 'resume', action: { kind: 'cut' } });
  server.finishWatches('cut');
  await server.until(() => server.watches.size === 0);
  for (const name of gone) drop(cluster, name);
}

/** The requests for single objects. */
const asked = ({ server }: FakeCluster) => server.requests.filter(({ path }) => /\/configmaps\/m/.test(path)).length;

describe('a list that leaves out more than half', () => {
  test('removes nothing that the server still has, and later changes of it are seen', async () => {
    const cluster = await startFakeCluster({ streamingLists: false });
    const { store, changes, notices, released } = await following(cluster);
    lie(cluster, []);
    await expect.poll(released).toEqual({ kind: 'released', gone: 0, there: COUNT });
    expect(notices).toContainEqual({ kind: 'held', leftOut: COUNT, of: COUNT });
    expect(store.size).toBe(COUNT);
    expect(changes.filter((change) => change.startsWith('-'))).toEqual([]);
    drop(cluster, 'm3');
    await shows(store, () => store.get(keyFor('m3')) === undefined);
    expect(store.size).toBe(COUNT - 1);
  });

  test('is believed after few questions where it is true, and everything goes at once', async () => {
    const cluster = await startFakeCluster({ streamingLists: false });
    const { store, released } = await following(cluster);
    await dropUnseen(cluster, names.slice(0, 30));
    cluster.server.compact();
    await shows(store, ({ size }) => size === COUNT - 30);
    await expect.poll(released).toEqual({ kind: 'released', gone: 30, there: 0 });
    expect(asked(cluster)).toBe(16);
  });

  test('that is true in part removes what is gone, each after it was asked for', async () => {
    const cluster = await startFakeCluster({ streamingLists: false });
    const { store, released } = await following(cluster);
    await dropUnseen(cluster, names.slice(0, 10));
    lie(cluster, ['m39']);
    await expect.poll(released).toEqual({ kind: 'released', gone: 10, there: COUNT - 11 });
    expect(store.size).toBe(COUNT - 10);
  });

  test('waits where nobody answers, and meanwhile what the watch tells counts', async () => {
    const cluster = await startFakeCluster({ streamingLists: false });
    const { store, notices, released } = await following(cluster);
    cluster.server.fault({ path: '/configmaps/m', times: 20, action: { kind: 'refuse', code: 500 } });
    lie(cluster, []);
    await expect.poll(() => notices.map(({ kind }) => kind)).toContain('held');
    expect(store.size).toBe(COUNT);
    await expect.poll(released).toEqual({ kind: 'released', gone: 0, there: COUNT });
  });

  test('is believed at once where few objects are known, or nobody asked for more', async () => {
    const cluster = await startFakeCluster({ streamingLists: false });
    const { store } = await following(cluster, false);
    lie(cluster, []);
    await shows(store, ({ size }) => size === 0);
    expect(asked(cluster)).toBe(0);
  });
});
