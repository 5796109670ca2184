import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkPath } from '../../../src/cli/path/check-path.ts';
import type { IpAddress } from '../../../src/net/address.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

const LOCAL = '127.0.0.1' as IpAddress;
/** Nobody there, and no way to it (RFC 5737). */
const NOWHERE = '192.0.2.1' as IpAddress;

describe('a check of a path', () => {
  let server: Server;
  let port: number;
  const from: (string | undefined)[] = [];

  beforeEach(async () => {
    server = createServer((socket) => {
      from.push(socket.remoteAddress);
      socket.on('error', () => undefined);
    }).listen(0, LOCAL);
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  });
  afterEach(() => {
    server.close();
  });

  const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;

  it('is passed by who accepts, from the address that was asked for, and leaves nothing open', async () => {
    const other = '127.0.0.9' as IpAddress;
    const rtt = await checkPath({ from: other, to: LOCAL, port, timeoutMs: 1_000 }, { clock: systemClock });
    expect(rtt).toBeLessThan(1_000);
    expect(from.at(-1)).toBe(other);
    await expect.poll(sockets).toBe(0);
  });

  it('is passed by who refuses', async () => {
    server.close();
    expect(await checkPath({ from: LOCAL, to: LOCAL, port, timeoutMs: 1_000 }, { clock: systemClock })).toBeLessThan(
      1_000,
    );
  });

  it('is failed by who says nothing, and from an address that this machine has not', async () => {
    const silent = { from: LOCAL, to: NOWHERE, port, timeoutMs: 200 };
    const stranger = { from: NOWHERE, to: LOCAL, port, timeoutMs: 200 };
    for (const check of [silent, stranger]) expect(await checkPath(check, { clock: systemClock })).toBeUndefined();
    await expect.poll(sockets).toBe(0);
  });

  it('ends when it is aborted', async () => {
    const abort = new AbortController();
    const check = { from: LOCAL, to: NOWHERE, port, timeoutMs: 10_000 };
    const running = checkPath(check, { clock: systemClock, signal: abort.signal });
    abort.abort(new Error('enough'));
    await expect(running).rejects.toThrow('enough');
    await expect(checkPath(check, { clock: systemClock, signal: abort.signal })).rejects.toThrow('enough');
  });
});
