import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Question } from '../../src/agent/configuration-answer.ts';
import { ConfigurationListeners } from '../../src/agent/configuration-listeners.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { createLog } from '../../src/runtime/log.ts';
import { freePort } from '../support/free-port.ts';

const ONE = '127.0.0.1' as IpAddress;
const TWO = '127.0.0.2' as IpAddress;
const SIX = '::1' as IpAddress;
const ELSEWHERE = '192.0.2.1' as IpAddress;

let port: number;
let listeners: ConfigurationListeners;
let asked: Question[];
let problems: number;

const url = (address: IpAddress) => `http://${address.includes(':') ? `[${address}]` : address}:${port}/`;

async function untilAnswered(address: IpAddress): Promise<void> {
  await expect.poll(() => fetch(url(address)).then(({ status }) => status, String), { interval: 10 }).toBe(200);
}

async function opened(address: IpAddress): Promise<Socket> {
  const socket = connect(port, address);
  await once(socket, 'connect');
  return socket;
}

beforeEach(async () => {
  port = await freePort();
  asked = [];
  problems = 0;
  listeners = new ConfigurationListeners({
    port,
    answer: (question) => {
      asked.push(question);
      return { status: 200, headers: { etag: '"1"' }, body: `for ${question.from}` };
    },
    onProblem: () => {
      problems += 1;
    },
    log: createLog({ level: 'silent' }),
  });
});

afterEach(() => listeners.close());

describe('where devices are answered', () => {
  test('is at the given addresses and nowhere else', async () => {
    listeners.follow([ONE]);
    await untilAnswered(ONE);
    await expect(fetch(url(TWO))).rejects.toThrow();
    listeners.follow([TWO]);
    await untilAnswered(TWO);
    await expect(fetch(url(ONE))).rejects.toThrow();
    listeners.close();
    await expect(fetch(url(TWO))).rejects.toThrow();
  });

  test('is at addresses of both families', async () => {
    listeners.follow([ONE, SIX]);
    await untilAnswered(ONE);
    await untilAnswered(SIX);
    const answer = await fetch(url(SIX));
    expect(await answer.text()).toBe('for ::1');
    expect(asked.at(-1)).toMatchObject({ method: 'GET', path: '/', host: `[::1]:${port}`, at: `[::1]:${port}` });
  });

  test('an address that the node does not have yet is no problem, and is tried again', async () => {
    listeners.follow([ONE, ELSEWHERE]);
    await untilAnswered(ONE);
    listeners.follow([ONE, ELSEWHERE]);
    await untilAnswered(ONE);
    expect([listeners.problem, problems]).toEqual([undefined, 0]);
  });

  test('a port that another program has is told once, and taken when it is free', async () => {
    const other = createServer().listen(port, ONE);
    await once(other, 'listening');
    listeners.follow([ONE, TWO]);
    await untilAnswered(TWO);
    await expect.poll(() => listeners.problem).toMatch(new RegExp(`TCP port ${port} of 127.0.0.1 is taken by another`));
    listeners.follow([ONE, TWO]);
    await expect.poll(() => fetch(url(TWO)).then(({ ok }) => ok)).toBe(true);
    expect(problems).toBe(1);
    other.close();
    await once(other, 'close');
    listeners.follow([ONE, TWO]);
    await untilAnswered(ONE);
    expect([listeners.problem, problems]).toEqual([undefined, 2]);
  });
});

describe('what one device can hold', () => {
  beforeEach(async () => {
    listeners.follow([ONE]);
    await untilAnswered(ONE);
  });

  test('is one answer for a connection', async () => {
    const answer = await fetch(url(ONE));
    expect(answer.headers.get('connection')).toBe('close');
  });

  test('is no big header', async () => {
    const answer = await fetch(url(ONE), { headers: { 'x-big': 'a'.repeat(8_000) } });
    expect(answer.status).toBe(431);
  });

  test('is few connections at a time', async () => {
    const held: Socket[] = [];
    for (let count = 0; count < 8; count++) held.push(await opened(ONE));
    const ninth = await opened(ONE);
    ninth.resume();
    await once(ninth, 'close');
    for (const socket of held) socket.destroy();
    await untilAnswered(ONE);
  });

  test('is no connection that says nothing, for longer than some seconds', async () => {
    const silent = await opened(ONE);
    silent.resume();
    const begun = performance.now();
    await once(silent, 'close');
    expect(performance.now() - begun).toBeLessThan(8_000);
  }, 15_000);
});
