import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { configMapType } from '../../src/api/core.ts';
import { createClient } from '../../src/k8s/client.ts';
import type { Connection } from '../../src/k8s/connection.ts';
import { isNotFound, TransportError } from '../../src/k8s/errors.ts';
import { createTransport, type Transport } from '../../src/k8s/transport.ts';
import { startFakeCluster } from '../support/fake-api-server/cluster.ts';

const PATH = '/api/v1/namespaces/default/configmaps';
const GET = { method: 'GET', path: PATH } as const;

function transportTo(connection: Connection, options: { readonly timeoutMs?: number } = {}): Transport {
  const transport = createTransport(connection, { userAgent: 'sallyport-test/1', ...options });
  onTestFinished(() => transport.close());
  return transport;
}

describe('one request', () => {
  test('says who asks, that JSON is wanted and that nothing should be compressed', async () => {
    const { server } = await startFakeCluster();
    await transportTo(server.connection()).request({
      ...GET,
      query: { limit: 5, labelSelector: 'a=b,c', x: undefined },
    });
    expect(server.requests[0]?.headers).toMatchObject({
      'user-agent': 'sallyport-test/1',
      accept: 'application/json',
      'accept-encoding': 'identity',
    });
    expect([...(server.requests[0]?.query ?? [])]).toEqual([
      ['limit', '5'],
      ['labelSelector', 'a=b,c'],
    ]);
  });

  test('a refusal is an ApiError with the facts of the Status', async () => {
    const { transport } = await startFakeCluster();
    const path = `${PATH}/none`;
    const error = await transport.request({ method: 'GET', path }).catch((caught: unknown) => caught);
    expect(isNotFound(error)).toBe(true);
    expect(error).toMatchObject({ method: 'GET', path, status: 404, reason: 'NotFound' });
  });

  test('after a refusal the connection is used again', async () => {
    const { transport, server } = await startFakeCluster();
    for (let i = 0; i < 5; i++) await transport.request({ method: 'GET', path: `${PATH}/x` }).catch(() => undefined);
    expect(server.connections).toBe(1);
  });

  test.each([
    ['garbage', { kind: 'answer', text: '<html>' }, 'the answer is not JSON'],
    ['half of an answer', { kind: 'answer', text: '{"items": [' }, 'the answer is not JSON'],
    ['a cut connection', { kind: 'cut' }, 'socket hang up'],
  ] as const)('%s is a TransportError that names the request', async (_what, action, words) => {
    const { transport, server } = await startFakeCluster();
    server.fault({ action });
    const error = await transport.request(GET).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TransportError);
    expect((error as Error).message).toBe(`GET ${PATH}: ${words}`);
  });

  test('a server that does not answer is given up after the deadline, and its connection with it', async () => {
    const { transport, server } = await startFakeCluster({ timeoutMs: 500 });
    server.fault({ times: 1, action: { kind: 'stall' } });
    await expect(transport.request(GET)).rejects.toMatchObject({ timedOut: true });
    await transport.request(GET);
    expect(server.connections).toBe(2);
  });

  test('after one connection was found dead, the idle ones beside it are not trusted either', async () => {
    const { transport, server } = await startFakeCluster({ timeoutMs: 500 });
    await Promise.all([1, 2, 3].map(() => transport.request(GET)));
    const opened = server.connections;
    server.fault({ times: 1, action: { kind: 'stall' } });
    await expect(transport.request(GET)).rejects.toMatchObject({ timedOut: true });
    await transport.request(GET);
    expect([opened, server.connections]).toEqual([3, 4]);
  });

  test('an abort ends it at once, before and while it runs', async () => {
    const { transport, server } = await startFakeCluster();
    server.fault({ action: { kind: 'stall' } });
    await expect(transport.request({ ...GET, signal: AbortSignal.abort(new Error('never mind')) })).rejects.toThrow(
      'never mind',
    );
    const giveUp = new AbortController();
    const running = transport.request({ ...GET, signal: giveUp.signal });
    await server.until(() => server.requests.length === 1);
    giveUp.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
  });

  test('a kept connection that the server closed meanwhile costs a GET nothing', async () => {
    const { transport, server } = await startFakeCluster();
    await transport.request(GET);
    server.fault({ times: 1, action: { kind: 'cut' } });
    await transport.request(GET);
    expect(server.connections).toBe(2);
  });

  test('a write on such a connection is not repeated behind the back of its caller', async () => {
    const { transport, server } = await startFakeCluster();
    await transport.request(GET);
    server.fault({ times: 1, action: { kind: 'cut' } });
    const post = { method: 'POST', path: PATH, body: { metadata: { name: 'a' } } } as const;
    await expect(transport.request(post)).rejects.toBeInstanceOf(TransportError);
    expect(server.seen('configmaps', 'POST')).toHaveLength(1);
  });

  test('a certificate of someone else is refused', async () => {
    const { server } = await startFakeCluster();
    const strict = { ...server.connection(), credentials: async () => ({ headers: {}, tls: {} }) };
    await expect(transportTo(strict).request(GET)).rejects.toThrow(/self-signed certificate/);
    expect(server.requests).toHaveLength(0);
  });

  test('plain http works as well', async () => {
    const { transport, server } = await startFakeCluster({ plain: true });
    await transport.request(GET);
    await transport.request(GET);
    expect([server.url.protocol, server.connections]).toEqual(['http:', 1]);
  });
});

describe('credentials', () => {
  test('are asked for before each request; after a 401 fresh ones are asked for once', async () => {
    const { server } = await startFakeCluster({ tokens: ['old'] });
    const current = 'new';
    let cached = 'old';
    const asked: boolean[] = [];
    const transport = transportTo({
      ...server.connection(),
      credentials: async ({ fresh = false } = {}) => {
        asked.push(fresh);
        if (fresh) cached = current;
        return { headers: { authorization: `Bearer ${cached}` }, tls: { ca: server.certificate?.cert ?? '' } };
      },
    });
    await transport.request(GET);
    server.tokens = ['new'];
    await transport.request(GET);
    server.tokens = ['newer'];
    await expect(transport.request(GET)).rejects.toMatchObject({ status: 401 });
    expect(asked).toEqual([false, false, true, false, true]);
  });

  test('new certificates begin new connections; the same ones, read again, do not', async () => {
    const { server } = await startFakeCluster();
    const cert = server.certificate?.cert ?? '';
    let ca = cert;
    const credentials = async () => ({ headers: {}, tls: { ca: Buffer.from(ca) } });
    const transport = transportTo({ ...server.connection(), credentials });
    await transport.request(GET);
    await transport.request(GET);
    expect(server.connections).toBe(1);
    ca = `${cert}\n${cert}`;
    await transport.request(GET);
    expect(server.connections).toBe(2);
  });
});

describe('a proxy', () => {
  test('is tunnelled through by CONNECT, with its password, over connections that stay open', async () => {
    const { server } = await startFakeCluster();
    const proxy = await startProxy();
    const client = createClient(
      transportTo(server.connection({ proxy: new URL(`http://me:s%40cret@127.0.0.1:${proxy.port}`) })),
    );
    for (let i = 0; i < 5; i++) expect(await client.get(configMapType, 'x', 'default')).toBeUndefined();
    expect(proxy.asked).toEqual([
      { to: `127.0.0.1:${server.port}`, login: Buffer.from('me:s@cret').toString('base64') },
    ]);
  });

  test('that refuses is named', async () => {
    const { server } = await startFakeCluster();
    const proxy = await startProxy(407);
    const transport = transportTo(server.connection({ proxy: new URL(`http://127.0.0.1:${proxy.port}`) }));
    await expect(transport.request(GET)).rejects.toThrow(`the proxy 127.0.0.1:${proxy.port} refused to connect`);
  });

  test('that is not there is an error, not a way round it', async () => {
    const { server } = await startFakeCluster();
    const transport = transportTo(server.connection({ proxy: new URL('http://127.0.0.1:1') }));
    await expect(transport.request(GET)).rejects.toThrow(/ECONNREFUSED/);
    expect(server.connections).toBe(0);
  });
});

describe('a stream', () => {
  test('gives each line once, characters whole, and ends when the server ends it', async () => {
    const { transport, server } = await startFakeCluster();
    const lines: string[] = [];
    const request = { ...GET, query: { watch: true, resourceVersion: '1000' } };
    const ended = transport.stream(request, { onLine: (line) => lines.push(line), idleMs: 5000 });
    await server.until(() => server.watches.size === 1);
    const [watch] = server.watches;
    const bytes = Buffer.from('{"é":"日本"}\n{"b":1}\n');
    for (const byte of bytes) {
      watch?.raw(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    watch?.finish('end');
    await ended;
    expect(lines).toEqual(['{"é":"日本"}', '{"b":1}']);
  });

  test('what its reader throws ends it, and the connection', async () => {
    const { transport, server } = await startFakeCluster();
    const onLine = () => {
      throw new Error('cannot read this');
    };
    const request = { ...GET, query: { watch: true, sendInitialEvents: true } };
    await expect(transport.stream(request, { onLine, idleMs: 5000 })).rejects.toThrow('cannot read this');
    await server.until(() => server.watches.size === 0);
  });

  test('that ends inside a line was cut, however politely', async () => {
    const { transport, server } = await startFakeCluster();
    const ended = transport.stream({ ...GET, query: { watch: true } }, { onLine: () => undefined, idleMs: 5000 });
    await server.until(() => server.watches.size === 1);
    server.finishWatches('truncate');
    await expect(ended).rejects.toThrow('cut before the answer was complete');
  });

  test('an abort ends it at once, and the connection', async () => {
    const { transport, server } = await startFakeCluster();
    const giveUp = new AbortController();
    const request = { ...GET, query: { watch: true }, signal: giveUp.signal };
    const running = transport.stream(request, { onLine: () => undefined, idleMs: 5000 });
    await server.until(() => server.watches.size === 1);
    giveUp.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    await server.until(() => server.watches.size === 0);
  });

  test('has no deadline of its own once it is open', async () => {
    const { transport, server } = await startFakeCluster({ timeoutMs: 400 });
    const request = { ...GET, query: { watch: true } };
    const running = transport.stream(request, { onLine: () => undefined, idleMs: 5000 });
    await server.until(() => server.watches.size === 1);
    setTimeout(() => server.finishWatches('end'), 800);
    await expect(running).resolves.toBeUndefined();
  });
});

/** An http proxy for CONNECT alone. */
async function startProxy(refuseWith?: number) {
  const asked: { to: string | undefined; login: string | undefined }[] = [];
  const sockets = new Set<Socket>();
  const proxy = createServer();
  proxy.on('connect', (request, socket: Socket) => {
    asked.push({ to: request.url, login: request.headers['proxy-authorization']?.replace('Basic ', '') });
    sockets.add(socket);
    if (refuseWith !== undefined) {
      socket.end(`HTTP/1.1 ${refuseWith} No\r\n\r\n`);
      return;
    }
    const [host = '', port] = (request.url ?? '').split(':');
    const onward = connect(Number(port), host, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [socket, onward]) end.on('error', () => undefined);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  });
  return { port: (proxy.address() as AddressInfo).port, asked };
}
