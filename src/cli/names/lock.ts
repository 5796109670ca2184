import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { NamePaths } from './paths.ts';

const PATIENCE_MS = 20_000;

/** Does the work while no other process changes names on this machine; a process that ends lets go by that. */
export async function locked<T>({ run }: NamePaths, work: () => Promise<T>): Promise<T> {
  // An abstract socket (unix(7)): it has no file that could be left behind.
  const path = `\0sallyport-names-${createHash('sha256').update(run).digest('hex').slice(0, 16)}`;
  const signal = AbortSignal.timeout(PATIENCE_MS);
  for (;;) {
    const held = await taken(path);
    if (held !== undefined) {
      try {
        return await work();
      } finally {
        await held.release();
      }
    }
    await released(path, signal);
  }
}

interface Held {
  release(): Promise<void>;
}

async function taken(path: string): Promise<Held | undefined> {
  const waiting = new Set<Socket>();
  const server: Server = createServer((socket) => {
    waiting.add(socket.on('error', () => undefined));
  });
  try {
    const listening = once(server, 'listening');
    server.listen(path);
    await listening;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
  const release = () =>
    new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of waiting) socket.destroy();
    });
  return { release };
}

/** Waits until the holder closes our connection; where there is no holder any more, it is refused. */
async function released(path: string, signal: AbortSignal): Promise<void> {
  const over = Promise.withResolvers<void>();
  const late = () => {
    const seconds = PATIENCE_MS / 1000;
    over.reject(new Error(`another sallyport has been changing names for ${seconds} s; end it and try again`));
  };
  if (signal.aborted) late();
  signal.addEventListener('abort', late);
  const socket = connect(path)
    .on('error', () => undefined)
    .on('close', over.resolve);
  try {
    await over.promise;
  } finally {
    signal.removeEventListener('abort', late);
    socket.destroy();
  }
}
