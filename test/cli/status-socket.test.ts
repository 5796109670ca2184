import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TunnelStatus } from '../../src/cli/supervisor/status.ts';
import { askSupervisor, ownerFile, StatusServer, statusSocket } from '../../src/cli/supervisor/status-socket.ts';
import { stopSupervisor } from '../../src/cli/supervisor/supervisor-process.ts';

let folder: string;
const status: TunnelStatus = {
  ...{ profile: 'lab', pid: 1, device: 'sp-lab', since: '2026-01-01T00:00:00Z' },
  ...{ addresses: [], routes: [], gateways: [], notices: [] },
};
const listen = () => StatusServer.listen(folder, 'lab', async () => status);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sallyport-status-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('whoever asks is told, and nobody once it has ended', async () => {
  expect(await askSupervisor(folder, 'lab')).toBeUndefined();
  const server = await listen();
  expect(await askSupervisor(folder, 'lab')).toEqual(status);
  server.close();
  expect(await askSupervisor(folder, 'lab')).toBeUndefined();
});

test('a second supervisor is refused, and the first goes on', async () => {
  const server = await listen();
  await expect(listen()).rejects.toThrow('it is up already');
  expect(await askSupervisor(folder, 'lab')).toEqual(status);
  server.close();
});

test('what a killed one left is no obstacle', async () => {
  const left = statusSocket(folder, 'lab');
  writeFileSync(left, '');
  const server = await listen();
  expect(await askSupervisor(folder, 'lab')).toEqual(status);
  server.close();
  expect(existsSync(left)).toBe(false);
});

/** A supervisor of another process that says nothing, does not end when told, and is the one of `lab`. */
const HUNG = `
  const { createServer } = require('node:net');
  const { readFileSync, writeFileSync } = require('node:fs');
  process.on('SIGTERM', () => undefined);
  const started = Number(readFileSync('/proc/self/stat', 'utf8').split(') ').at(-1).split(' ')[19]);
  writeFileSync(process.argv[2], JSON.stringify({ pid: process.pid, started }));
  createServer(() => undefined).listen(process.argv[1], () => console.log('listens'));
`;

test.each([false, true])(
  'one that is killed while it is asked runs no more (in the middle of its answer: %s)',
  async (isSpeaking) => {
    const speak = isSpeaking ? HUNG.replace('() => undefined).listen', "(to) => to.write('{')).listen") : HUNG;
    const argv = ['-e', speak, statusSocket(folder, 'lab'), ownerFile(folder, 'lab')];
    const killed = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(killed, 'exit');
    await once(killed.stdout, 'data');
    if (!isSpeaking) killed.kill('SIGSTOP');
    const asked = askSupervisor(folder, 'lab');
    const heard = connect(statusSocket(folder, 'lab'));
    heard.on('error', () => undefined);
    if (isSpeaking) await once(heard, 'data');
    killed.kill('SIGKILL');
    expect(await asked).toBeUndefined();
    await ended;
  },
);

test('one that hangs is told with its remedy, which ends it', async () => {
  const argv = ['-e', HUNG, statusSocket(folder, 'lab'), ownerFile(folder, 'lab')];
  const hung = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(hung, 'exit');
  await once(hung.stdout, 'data');
  await expect(askSupervisor(folder, 'lab')).rejects.toThrow(/does not answer; end it with: sallyport down lab/);
  expect(await stopSupervisor(folder, 'lab', 100)).toBe(false);
  expect(await ended).toEqual([null, 'SIGKILL']);
});

test('a process that has nothing but the number of a former supervisor is left alone', async () => {
  writeFileSync(ownerFile(folder, 'lab'), JSON.stringify({ pid: process.pid, started: 1 }));
  expect(await stopSupervisor(folder, 'lab', 100)).toBe(false);
});
