import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import type { ProcessId } from './record.ts';

/**
 * Opens a port on the machine's 127.0.0.1 that leads to an address inside the lab, and returns the port. The socket
 * is made here, in the machine's network, and handed to a process in the lab's: nothing else connects the two.
 */
export async function openDoor(labInit: ProcessId, address: string, port: number, logFile: string): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port: door } = server.address() as AddressInfo;
  const log = openSync(logFile, 'a');
  const program = [process.execPath, `${import.meta.dirname}/forwarder.ts`, address, String(port)];
  const child = spawn('nsenter', ['--target', String(labInit.pid), '--net', '--pid', '--', ...program], {
    detached: true,
    stdio: ['ignore', log, log, 'ipc'],
  });
  closeSync(log);
  child.send('serve', server);
  await once(child, 'message');
  child.unref();
  child.channel?.unref();
  server.close();
  return door;
}
