import type { Socket } from 'node:net';

/** Carries everything between two connections, until whichever half fails or closes: the other has nobody to speak to then. */
export function carry(one: Socket, other: Socket): void {
  one.setNoDelay(true);
  other.setNoDelay(true);
  one.pipe(other).pipe(one);
  for (const [near, far] of [
    [one, other],
    [other, one],
  ] as const) {
    near.on('error', () => far.destroy());
    near.on('close', () => far.destroy());
  }
}
