import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';

/** What one process of a machine does at a time; it lets go by ending, whatever ends it. */
export interface Lock {
  release(): Promise<void>;
}

/**
 * Where whoever waits for a lock is connected until it is released: an abstract socket (unix(7)), which has no file that could be left behind.
 * Only Linux has them. `what` and `where` tell locks apart.
 */
export function lockPath(what: string, where: string): string {
  return `\0sallyport-${what}-${createHash('sha256').update(where).digest('hex').slice(0, 16)}`;
}

/** Takes a lock; undefined while another process has it. */
export async function takeLock(path: string): Promise<Lock | undefined> {
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
