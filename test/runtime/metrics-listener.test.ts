import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLog } from '../../src/runtime/log.ts';
import { Metrics } from '../../src/runtime/metrics.ts';
import { serveMetrics } from '../../src/runtime/metrics-listener.ts';
import { ManualClock } from '../support/fake-clock.ts';

let ending: AbortController;
let clock: ManualClock;
let lines: string[];
let holder: Server;
let port: number;

/** A port that is free once the holder has gone. */
beforeEach(async () => {
  ending = new AbortController();
  clock = new ManualClock();
  lines = [];
  holder = createServer();
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  port = (holder.address() as AddressInfo).port;
});
afterEach(() => ending.abort());

const free = () => new Promise<unknown>((resolve) => holder.close(resolve));

async function serve(metrics: Pick<Metrics, 'page'>, sources?: readonly string[]): Promise<void> {
  const log = createLog({ level: 'info', destination: { write: (line) => lines.push(line) } });
  const given = sources === undefined ? {} : { sources };
  await serveMetrics({ port, hosts: ['127.0.0.1'], metrics, clock, log, signal: ending.signal, ...given });
}

const ask = (path: string, init?: RequestInit) => fetch(`http://127.0.0.1:${port}${path}`, init);

/** What somebody with this address gets: a status, or how the connection ends. */
function statusFor(localAddress: string): Promise<number | string | undefined> {
  return new Promise((resolve) => {
    const asking = request({ host: '127.0.0.1', port, path: '/metrics', localAddress, agent: false }, (answer) => {
      answer.resume();
      resolve(answer.statusCode);
    });
    asking.on('error', (error: NodeJS.ErrnoException) => resolve(error.code));
    asking.end();
  });
}

/** The server that answers what is asked meanwhile. */
async function serverBehind(asking: () => Promise<unknown>): Promise<Server> {
  let found: Server | undefined;
  const note = (message: unknown) => {
    found = (message as { readonly server: Server }).server;
  };
  subscribe('http.server.request.start', note);
  await asking();
  unsubscribe('http.server.request.start', note);
  if (found === undefined) throw new Error('no server was asked');
  return found;
}

describe('whoever asks for metrics', () => {
  test('gets the page, and nothing else', async () => {
    await free();
    await serve(new Metrics());
    const answer = await ask('/metrics?x=1');
    expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringMatching(/^text\/plain/)]);
    expect((await ask('/')).status).toBe(404);
    expect((await ask('/metrics', { method: 'POST' })).status).toBe(405);
  });

  test('shares one page with those who ask meanwhile', async () => {
    await free();
    let pages = 0;
    const made = Promise.withResolvers<{ text: string; contentType: string }>();
    await serve({
      page: () => {
        pages += 1;
        return made.promise;
      },
    });
    let arrived = 0;
    const count = () => {
      arrived += 1;
    };
    subscribe('http.server.request.start', count);
    const asking = [ask('/metrics'), ask('/metrics'), ask('/metrics')];
    await expect.poll(() => arrived).toBe(3);
    unsubscribe('http.server.request.start', count);
    made.resolve({ text: 'one 1\n', contentType: 'text/plain' });
    expect(await Promise.all(asking.map(async (one) => (await one).text()))).toEqual(Array(3).fill('one 1\n'));
    expect(pages).toBe(1);
  });

  test('is told that there is none when it cannot be made, and the log says why', async () => {
    await free();
    await serve({ page: () => Promise.reject(new Error('nft is missing')) });
    const answer = await ask('/metrics');
    expect([answer.status, await answer.text()]).toEqual([500, 'metrics could not be read; see the log\n']);
    expect(lines.join('')).toMatch(/nft is missing.*metrics could not be read/);
  });

  test('is answered further after a connection could not be taken in', async () => {
    await free();
    await serve(new Metrics());
    const server = await serverBehind(() => ask('/metrics'));
    server.emit('error', new Error('accept EMFILE'));
    expect(lines.join('')).toMatch(/accept EMFILE.*metrics: a connection could not be taken in/);
    expect((await ask('/metrics')).status).toBe(200);
  });

  test('is hung up on where it is not among those who may, but for the machine itself', async () => {
    await free();
    await serve(new Metrics(), ['192.0.2.0/24', '127.0.0.3/32', 'fd00::/8']);
    const answers = ['127.0.0.1', '127.0.0.2', '127.0.0.3'].map((from) => statusFor(from));
    expect(await Promise.all(answers)).toEqual([200, 'ECONNRESET', 200]);
  });
});

test('a port that somebody else holds is told and tried again, and holds up nothing', async () => {
  await serve(new Metrics());
  expect(lines.join('')).toMatch(/EADDRINUSE.*metrics cannot be asked for/);
  await free();
  await clock.advance(30_000);
  await expect
    .poll(() =>
      ask('/metrics').then(
        ({ status }) => status,
        () => undefined,
      ),
    )
    .toBe(200);
});

test('sources that are none are told, and hold up nothing', async () => {
  await free();
  await serve(new Metrics(), ['mesh']);
  expect(lines.join('')).toContain('metrics cannot be asked for');
});

test('nothing listens or waits any more once the program ends', async () => {
  await serve(new Metrics());
  ending.abort();
  expect(clock.pending).toBe(0);
});
