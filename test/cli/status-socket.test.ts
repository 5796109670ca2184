import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { TunnelStatus } from '../../src/cli/supervisor/status.ts';
import { askSupervisor, StatusServer, statusSocket } from '../../src/cli/supervisor/status-socket.ts';

let folder: string;
const status: TunnelStatus = {
  ...{ profile: 'lab', pid: 1, device: 'sp-lab', since: '2026-01-01T00:00:00Z' },
  ...{ addresses: [], routes: [], gateways: [], notices: [] },
};
const listen = () => StatusServer.listen(statusSocket(folder, 'lab'), async () => status);

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
