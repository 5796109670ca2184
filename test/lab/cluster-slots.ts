import type { Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { tryLock } from './record.ts';

/** Who waits for a slot looks again after a time between this and twice as much, so that two of them do not for ever look at once. */
const AGAIN_MS = 400;

/**
 * Takes so many of the slots for clusters on this machine, all at once, and waits while they are taken. A slot is free again as soon as whoever
 * has it ends, however that is. Resolves with what gives them back.
 */
export async function takeClusterSlots(
  count: number,
  { most, name = 'cluster-slot' }: { readonly most: number; readonly name?: string },
): Promise<() => Promise<void>> {
  for (;;) {
    const taken: Server[] = [];
    for (let slot = 0; slot < most && taken.length < count; slot += 1) {
      const server = await tryLock(`${name}-${slot}`);
      if (server !== undefined) taken.push(server);
    }
    if (taken.length >= Math.min(count, most)) return () => close(taken);
    await close(taken);
    await delay(AGAIN_MS * (1 + Math.random()));
  }
}

async function close(servers: readonly Server[]): Promise<void> {
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
}
