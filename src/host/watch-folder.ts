import { watch } from 'node:fs';

/** Calls `onChange` when the kubelet has put other files there, until the signal aborts. */
export function watchFolder(folder: string, signal: AbortSignal, onChange: () => void): void {
  try {
    // Whoever is told looks for himself, also at what is wrong.
    watch(folder, { signal, persistent: false }, onChange).on('error', onChange);
  } catch (error) {
    // A pod that was made without the folder does not get one.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new Error(`watch ${folder}`, { cause: error });
  }
}
