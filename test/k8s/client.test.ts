import { describe, expect, test } from 'vitest';
import { type ConfigMap, configMapType, nodeType } from '../../src/api/core.ts';
import type { ResourceType } from '../../src/api/resource.ts';
import { createClient } from '../../src/k8s/client.ts';
import { ApiError } from '../../src/k8s/errors.ts';
import { resourcePath } from '../../src/k8s/resource-path.ts';
import type { Transport, TransportRequest } from '../../src/k8s/transport.ts';
import { startFakeCluster } from '../support/fake-api-server/cluster.ts';
import { put } from './watching.ts';

const picky: ResourceType<ConfigMap> = {
  ...configMapType,
  parse: (raw) => {
    const parsed = configMapType.parse(raw);
    if (parsed.metadata.name.startsWith('bad')) throw new Error('bad shape');
    return parsed;
  },
};

/** Beyond this file, client.ts is under contract: cluster-contract.ts. */
describe('the client', () => {
  test('one object that does not parse fails the list, unless someone is told instead', async () => {
    const cluster = await startFakeCluster();
    for (const name of ['a', 'bad', 'c']) put(cluster, name);
    await expect(cluster.client.list(picky)).rejects.toThrow('parse ConfigMap default/bad');
    const told: string[] = [];
    const { items } = await cluster.client.list(picky, {
      onUnparsable: (key, error) => told.push(`${key}: ${error.message}`),
    });
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['a', 'c']);
    expect(told).toEqual(['default/bad: bad shape']);
  });

  test('a single object that does not parse is named in the error', async () => {
    const cluster = await startFakeCluster();
    put(cluster, 'bad');
    await expect(cluster.client.get(picky, 'bad', 'default')).rejects.toThrow('parse ConfigMap default/bad');
  });

  test('an answer that is no object is an error, not an object', async () => {
    const { client, server } = await startFakeCluster();
    for (const text of ['null', '[]', '{}', '{"metadata":{}}']) {
      server.fault({ times: 1, action: { kind: 'answer', text } });
      await expect(client.get(configMapType, 'a', 'default')).rejects.toThrow('not an object with a name');
    }
    server.fault({ times: 1, action: { kind: 'answer', text: '"list"' } });
    await expect(client.list(configMapType)).rejects.toThrow('not an object');
  });

  test('a status that nothing can be merged into is removed before the second attempt', async () => {
    const asked: TransportRequest[] = [];
    const unmergeable =
      'failed to create typed live object (x; v1, Kind=ConfigMap): .status.a: expected list, got &{7}';
    const transport: Transport = {
      request: async (request) => {
        asked.push(request);
        if (asked.length > 1) return { metadata: { name: 'x' } };
        throw new ApiError({ method: 'PATCH', path: '/x', status: 500, reason: '', message: unmergeable });
      },
      stream: async () => undefined,
      close: () => undefined,
    };
    const me = { fieldManager: 'me' };
    await createClient(transport).applyStatus(nodeType, { name: 'x' }, { a: [] }, me);
    expect(asked.map(({ contentType, body }) => [contentType, (body as { readonly status: unknown }).status])).toEqual([
      ['application/apply-patch+yaml', { a: [] }],
      ['application/merge-patch+json', null],
      ['application/apply-patch+yaml', { a: [] }],
    ]);
    expect(asked.map(({ path }) => path.endsWith('/status'))).toEqual([true, true, true]);
  });

  test('a deadline of its own is shorter than that of its transport', async () => {
    const { transport, server } = await startFakeCluster();
    server.fault({ action: { kind: 'stall' } });
    const hasty = createClient(transport, { timeoutMs: 30 });
    await expect(hasty.get(configMapType, 'a', 'default')).rejects.toMatchObject({ timedOut: true });
  });
});

describe('the path of a resource', () => {
  test.each([
    [configMapType, {}, '/api/v1/configmaps'],
    [configMapType, { namespace: 'n' }, '/api/v1/namespaces/n/configmaps'],
    [configMapType, { namespace: 'n', name: 'a' }, '/api/v1/namespaces/n/configmaps/a'],
    [nodeType, { name: 'a', namespace: 'ignored' }, '/api/v1/nodes/a'],
    [
      { ...nodeType, group: 'x.io', version: 'v2' },
      { name: 'a', subresource: 'status' as const },
      '/apis/x.io/v2/nodes/a/status',
    ],
    [nodeType, { name: '../../secrets' }, '/api/v1/nodes/..%2F..%2Fsecrets'],
  ])('%o at %o', (type, place, path) => {
    expect(resourcePath<never>(type as ResourceType<never>, place)).toBe(path);
  });

  test('a namespaced object needs its namespace', () => {
    expect(() => resourcePath(configMapType, { name: 'a' })).toThrow('configmaps a: a namespace is needed');
  });
});
