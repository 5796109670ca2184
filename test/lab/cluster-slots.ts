import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** How often somebody who waits for a slot looks again. */
const AGAIN_MS = 500;

/**
 * Takes so many of the slots for clusters on this machine, all at once, and waits while they are taken. A slot is a socket without a file
 * (unix(7), abstract), so it is free again as soon as whoever has it ends, however that is. Resolves with what gives them back.
 */
export async function takeClusterSlots(
  count: number,
  { most, name = 'sallyport-lab-cluster' }: { readonly most: number; readonly name?: string },
): Promise<() => Promise<void>> {
  for (;;) {
    const taken: Server[] = [];
    for (let slot = 0; slot < most && taken.length < count; slot += 1) {
      const server = await listening(`\0${name}-${slot}`);
      if (server !== undefined) taken.push(server);
    }
    if (taken.length >= Math.min(count, most)) return () => close(taken);
    await close(taken);
    await delay(AGAIN_MS);
  }
}

async function listening(path: string): Promise<Server | undefined> {
  const server = createServer().listen({ path });
  try {
    await once(server, 'listening');
    return server;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined;
    throw error;
  }
}

async function close(servers: readonly Server[]): Promise<void> {
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
}
