import { expect, test } from 'vitest';
import { configMapType } from '../../../src/api/core.ts';
import { resourcePath } from '../../../src/k8s/resource-path.ts';
import { at, following, NAMESPACE, type Parties, until } from './parties.ts';
import { widgetType } from './widget.ts';

export function describeWatch(parties: () => Parties): void {
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

  test('a watch from a version that is still to come is accepted, and silent about what comes before', async () => {
    const { client, transport, fresh } = parties();
    const { metadata } = await client.create(configMapType, { metadata: at(fresh()) });
    const lines: string[] = [];
    const resourceVersion = String(BigInt(metadata.resourceVersion) + 1_000_000n);
    const query = { watch: true, allowWatchBookmarks: true, resourceVersion, timeoutSeconds: 3 };
    const path = resourcePath(configMapType, { namespace: NAMESPACE });
    let created: Promise<unknown> | undefined;
    const onOpen = () => {
      created = client.create(configMapType, { metadata: at(fresh()) });
    };
    const onLine = (line: string) => lines.push(line);
    await transport.stream({ method: 'GET', path, query }, { onOpen, onLine, idleMs: 9000 });
    expect(await created).toBeDefined();
    expect(lines).toEqual([]);
  });

  test('the server ends a watch when it was asked to', async () => {
    const { transport } = parties();
    const query = { watch: true, timeoutSeconds: 1 };
    const path = resourcePath(configMapType, { namespace: NAMESPACE });
    await transport.stream({ method: 'GET', path, query }, { onLine: () => undefined, idleMs: 9000 });
  });
}
