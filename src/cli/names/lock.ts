import { connect } from 'node:net';
import { lockPath, takeLock } from '../lock.ts';
import type { NamePaths } from './paths.ts';

const PATIENCE_MS = 20_000;

/** Does the work while no other process changes names on this machine; a process that ends lets go by that. */
export async function locked<T>({ run }: NamePaths, work: () => Promise<T>): Promise<T> {
  const path = lockPath('names', run);
  const signal = AbortSignal.timeout(PATIENCE_MS);
  for (;;) {
    const held = await takeLock(path);
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
