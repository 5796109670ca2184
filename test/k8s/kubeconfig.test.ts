import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { configMapType } from '../../src/api/core.ts';
import { createClient } from '../../src/k8s/client.ts';
import type { Connection } from '../../src/k8s/connection.ts';
import { loadConnection, NoConnection } from '../../src/k8s/kubeconfig.ts';
import { createTransport } from '../../src/k8s/transport.ts';
import { startFakeCluster } from '../support/fake-api-server/cluster.ts';

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kubeconfig-test-'));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

async function written(name: string, content: unknown): Promise<string> {
  const path = join(await folder(), name);
  await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

async function canAsk(connection: Connection): Promise<boolean> {
  const transport = createTransport(connection, { userAgent: 'test' });
  onTestFinished(() => transport.close());
  return (await createClient(transport).get(configMapType, 'none', 'default')) === undefined;
}

function context(name: string, server: string, user: object = {}) {
  return {
    clusters: [{ name, cluster: { server } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  };
}

describe('a kubeconfig', () => {
  test('by its path: server, CA, token and namespace', async () => {
    const { server } = await startFakeCluster({ tokens: ['secret'] });
    const path = await written('config', server.kubeconfig({ token: 'secret' }));
    const connection = await loadConnection({ env: {}, path });
    expect([connection.server.href, connection.namespace]).toEqual([server.url.href, 'somewhere']);
    expect(await canAsk(connection)).toBe(true);
  });

  test('a context without a user still trusts the CA of its cluster', async () => {
    const { server } = await startFakeCluster();
    const config = JSON.parse(server.kubeconfig());
    delete config.contexts[0].context.user;
    expect(await canAsk(await loadConnection({ env: {}, path: await written('config', config) }))).toBe(true);
  });

  test.each([
    ['proxy-url', { cluster: { server: 'https://192.0.2.1', 'proxy-url': 3128 } }, {}],
    ['namespace', {}, { namespace: 128 }],
  ])('a %s that is no text is refused with the remedy', async (field, cluster, more) => {
    const config = context('lab', 'https://192.0.2.1');
    const contexts = config.contexts.map((one) => ({ ...one, context: { ...one.context, ...more } }));
    const clusters = config.clusters.map((one) => ({ ...one, ...cluster }));
    const path = await written('config', { ...config, clusters, contexts, 'current-context': 'lab' });
    const refusal = await loadConnection({ env: {}, path }).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(NoConnection);
    expect(String(refusal)).toContain(`${field} in the kubeconfig is not text: put it in quotes`);
  });

  test('user and password become Basic authorization', async () => {
    const { server } = await startFakeCluster();
    const path = await written('config', server.kubeconfig({ username: 'me', password: 'päss' }));
    await canAsk(await loadConnection({ env: {}, path }));
    expect(server.requests[0]?.headers.authorization).toBe(`Basic ${Buffer.from('me:päss').toString('base64')}`);
  });

  test('an exec plugin is run once, and again after a 401', async () => {
    const { server } = await startFakeCluster({ tokens: ['token-1'] });
    const counter = join(await folder(), 'runs');
    const script = [
      `echo x >> ${counter}`,
      `n=$(wc -l < ${counter} | tr -d ' ')`,
      `echo '{"kind":"ExecCredential","status":{"token":"token-'$n'"}}'`,
    ].join('; ');
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', script] };
    const connection = await loadConnection({ env: {}, path: await written('config', server.kubeconfig({ exec })) });
    expect([await canAsk(connection), await canAsk(connection)]).toEqual([true, true]);
    server.tokens = ['token-2'];
    expect(await canAsk(connection)).toBe(true);
    const sent = server.requests.map(({ headers }) => headers.authorization);
    expect(sent).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-1', 'Bearer token-2']);
  });

  test('several files of KUBECONFIG are one, and the first mention of a name wins', async () => {
    const first = await written('a', { ...context('one', 'https://one.example'), 'current-context': 'two' });
    const second = await written('b', {
      clusters: [
        ...context('one', 'https://other.example').clusters,
        ...context('two', 'https://two.example').clusters,
      ],
      users: context('two', '').users,
      contexts: context('two', '').contexts,
      'current-context': 'one',
    });
    const env = { KUBECONFIG: [first, second].join(delimiter) };
    expect((await loadConnection({ env })).server.host).toBe('two.example');
    expect((await loadConnection({ env, context: 'one' })).server.host).toBe('one.example');
  });

  test('~/.kube/config when nothing else is said', async () => {
    const home = await folder();
    await mkdir(join(home, '.kube'));
    const config = { ...context('home', 'https://home.example'), 'current-context': 'home' };
    await writeFile(join(home, '.kube', 'config'), JSON.stringify(config));
    expect((await loadConnection({ env: { HOME: home } })).server.host).toBe('home.example');
  });

  test("a cluster's proxy-url wins over the environment", async () => {
    const config = { ...context('a', 'https://a.example'), 'current-context': 'a' };
    Object.assign(config.clusters[0]?.cluster ?? {}, { 'proxy-url': 'http://own:3128' });
    const path = await written('config', config);
    const env = { HTTPS_PROXY: 'http://general:3128' };
    expect((await loadConnection({ env, path })).proxy?.host).toBe('own:3128');
  });

  test.each([
    ['a file that is not there', undefined, /cannot read the kubeconfig .*none: ENOENT/],
    ['no context', { clusters: [] }, /no current context/],
    ['plain http to another machine', { ...context('a', 'http://a.example'), 'current-context': 'a' }, /use https/],
    ['a server that is no URL', { ...context('a', 'nowhere'), 'current-context': 'a' }, /not a URL/],
  ])('%s is told with its remedy', async (_what, config, words) => {
    const path = config === undefined ? '/nowhere/none' : await written('config', config);
    const error = await loadConnection({ env: {}, path }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(NoConnection);
    expect((error as Error).message).toMatch(words);
  });

  test('a context that it does not have is told with those it has', async () => {
    const path = await written('config', { ...context('a', 'https://a.example'), 'current-context': 'a' });
    await expect(loadConnection({ env: {}, path, context: 'b' })).rejects.toThrow('no context "b"; it has: a');
  });
});

describe('inside a pod', () => {
  test('the service account is used, and its rotated token at once', async () => {
    const { server } = await startFakeCluster({ tokens: ['first'] });
    const serviceAccountFolder = await folder();
    const file = (name: string, content: string) => writeFile(join(serviceAccountFolder, name), content);
    await file('ca.crt', server.certificate?.cert ?? '');
    await file('token', 'first\n');
    await file('namespace', 'sallyport-system\n');
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(server.port) };
    const connection = await loadConnection({ env, serviceAccountFolder });
    expect(connection.namespace).toBe('sallyport-system');
    expect(await canAsk(connection)).toBe(true);
    await file('token', 'second\n');
    server.tokens = ['second'];
    expect(await canAsk(connection)).toBe(true);
    expect(server.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer first',
      'Bearer first',
      'Bearer second',
    ]);
  });

  test('an IPv6 service address is put in brackets', async () => {
    const serviceAccountFolder = await folder();
    await writeFile(join(serviceAccountFolder, 'token'), 'x');
    const env = { KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
    expect((await loadConnection({ env, serviceAccountFolder })).server.href).toBe('https://[fd00::1]/');
  });

  test('neither inside nor configured: says what to do', async () => {
    await expect(loadConnection({ env: {} })).rejects.toThrow(/^no cluster: set KUBECONFIG/);
  });
});
