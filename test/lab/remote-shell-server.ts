import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createServer, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { type Frame, FrameReader, type FrameType, frame, type Request } from './frames.ts';

/**
 * Runs the commands of whoever connects, one per connection: remote-shell-server.ts PORT|SOCKET_FILE [WORD…], where the words
 * come before every command. A command whose connection ends is killed with all that it started. It is the caller who ends a
 * connection: if the server did, a caller that still writes input would break off with EPIPE before it has read the exit code.
 */
const [place = '', ...before] = process.argv.slice(2);
const server = createServer(serve);
if (/^\d+$/.test(place)) server.listen(Number(place));
else server.listen(place);
process.on('SIGTERM', () => process.exit(0));

function serve(socket: Socket): void {
  const frames = new FrameReader();
  let child: ChildProcessWithoutNullStreams | undefined;
  socket.setNoDelay(true);
  socket.on('error', () => undefined);
  socket.on('close', () => end(child));
  socket.on('data', (chunk) => {
    for (const each of frames.push(chunk)) {
      if (each.type === 'r') child = start(socket, JSON.parse(each.payload.toString()) as Request);
      else if (child) pass(socket, child, each);
    }
  });
}

function start(socket: Socket, { argv, env, cwd }: Request): ChildProcessWithoutNullStreams {
  const [command = '', ...rest] = [...before, ...argv];
  // A process group of its own, so that it can be ended as a whole.
  const child = spawn(command, rest, { env: { ...process.env, ...env }, detached: true, ...(cwd ? { cwd } : {}) });
  carry(socket, child.stdout, 'o');
  carry(socket, child.stderr, 'x');
  child.stdin.on('error', () => undefined);
  child.on('error', (error) => socket.end(frame('f', error.message)));
  child.on('close', (code) => socket.write(frame('c', String(code ?? -1))));
  return child;
}

function carry(socket: Socket, source: Readable, type: FrameType): void {
  source.on('data', (chunk: Buffer) => {
    if (socket.write(frame(type, chunk))) return;
    source.pause();
    socket.once('drain', () => source.resume());
  });
}

function pass(socket: Socket, child: ChildProcessWithoutNullStreams, { type, payload }: Frame): void {
  if (type === 'e') {
    child.stdin.end();
    return;
  }
  // Also called when the command does not read any more.
  socket.pause();
  child.stdin.write(payload, () => socket.resume());
}

function end(child: ChildProcessWithoutNullStreams | undefined): void {
  if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It ended just now.
  }
}
