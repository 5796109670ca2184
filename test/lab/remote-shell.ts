import { createReadStream } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ExecOptions, ExecResult } from './exec.ts';
import { type Frame, FrameReader, frame, type Request } from './frames.ts';

/** Options of a command that runs on a machine reached through a socket. */
export interface RemoteOptions extends ExecOptions {
  /** True: waiting for it does not keep this process alive. */
  readonly unref?: boolean;
}

/**
 * Runs a command where a remote-shell-server listens on this socket file, as `run` does here: to its end, with its exit code
 * (-1 if it was killed, by `timeout` or otherwise). It is killed when this process ends.
 * @throws Error if the machine cannot be reached, is switched off meanwhile, or the command cannot be started
 */
export function runRemotely(
  socketFile: string,
  argv: readonly string[],
  options: RemoteOptions = {},
): Promise<ExecResult> {
  const { env = {}, cwd, timeout, signal, unref } = options;
  return new Promise((resolve, reject) => {
    const socket = connect(socketFile);
    if (unref) socket.unref();
    const settle = (act: () => void) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      socket.destroy();
      act();
    };
    const finish = (code: number) => settle(() => resolve({ code, ...texts }));
    const fail = (cause: unknown) =>
      settle(() => reject(new Error(`run ${argv.join(' ').slice(0, 200)} at ${socketFile}`, { cause })));
    const onAbort = () => fail(signal?.reason);
    const texts = collect(socket, options, finish, fail);
    const timer = timeout === undefined ? undefined : setTimeout(() => finish(-1), timeout);
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
    const request: Request = { argv, env: { PATH: process.env.PATH ?? '', ...env }, ...(cwd ? { cwd } : {}) };
    socket.write(frame('r', JSON.stringify(request)));
    // A command that ends without reading its input is no fault: its exit code tells the truth.
    sendInput(socket, options).catch(() => undefined);
  });
}

/** Gathers what the command prints until its end, which is told once. */
function collect(
  socket: Socket,
  { onOutput }: RemoteOptions,
  finish: (code: number) => void,
  fail: (error: unknown) => void,
): { stdout: string; stderr: string } {
  const texts = { stdout: '', stderr: '' };
  const decoders = { o: new TextDecoder(), x: new TextDecoder() };
  const frames = new FrameReader();
  const take = ({ type, payload }: Frame) => {
    if (type === 'c') return finish(Number(payload));
    if (type === 'f') return fail(new Error(payload.toString()));
    if (type !== 'o' && type !== 'x') return;
    const text = decoders[type].decode(payload, { stream: true });
    texts[type === 'o' ? 'stdout' : 'stderr'] += text;
    onOutput?.(text);
  };
  socket.on('data', (chunk) => {
    for (const each of frames.push(chunk)) take(each);
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the connection ended before the command')));
  return texts;
}

async function sendInput(socket: Socket, { input, inputFile }: RemoteOptions): Promise<void> {
  if (input !== undefined || inputFile !== undefined) {
    const source = inputFile === undefined ? Readable.from([Buffer.from(input ?? '')]) : createReadStream(inputFile);
    await pipeline(source, framed(), socket, { end: false });
  }
  socket.write(frame('e'));
}

function framed(): Transform {
  return new Transform({ transform: (chunk: Buffer, _, done) => done(null, frame('i', chunk)) });
}
