import type { ObjectKey } from '../api/resource.ts';
import { scatter } from '../net/scatter.ts';
import { HANDSHAKE_LAG_MS, SESSION_MS } from './sessions.ts';

/** No device's handshake is told again sooner than this, and a turn that was missed for longer is left to the next one, in milliseconds. */
export const SHORTEST_TURN_MS = 5 * 60_000;

/** So many statuses a second are written at most to tell handshakes of devices that stay where they are, in the whole cluster. */
export const HANDSHAKES_PER_SECOND = 2;

/** When a device's handshakes are told anew in its status, in milliseconds since the epoch. */
export interface HandshakeTurn {
  /** The last time that it was this device's turn. */
  readonly at: number;
  /** The next time. */
  readonly next: number;
}

/**
 * A device's turn to have its handshakes told again. Turns come every five minutes, and half as often with each time that this would be too many
 * writes: so with more devices the turns that remain are among those of before, and one who comes or goes moves nobody's. Devices have theirs
 * spread over the whole time by a hash of their names, so that everybody who asks finds the same, and nothing needs to be remembered.
 */
export function handshakeTurn(peer: ObjectKey, connected: number, now: number): HandshakeTurn {
  const every = turnMs(connected);
  const at = now - modulo(now - scatter(peer), every);
  return { at, next: at + every };
}

/** From one turn of a device to the next, in milliseconds, with so many devices connected. */
export function turnMs(connected: number): number {
  const least = (connected / HANDSHAKES_PER_SECOND) * 1000;
  return SHORTEST_TURN_MS * 2 ** Math.max(0, Math.ceil(Math.log2(least / SHORTEST_TURN_MS)));
}

/**
 * Whether it is the device's turn, and the stored handshake, in milliseconds since the epoch, was not told in it. One that was told in this turn cannot be
 * older than what nodes report of live sessions, and one later than the turn's end is of a clock that was wrong.
 */
export function isDue(stored: number, { at, next }: HandshakeTurn, now: number): boolean {
  const isTold = stored >= at - SESSION_MS - HANDSHAKE_LAG_MS && stored < next;
  return !isTold && now < at + SHORTEST_TURN_MS;
}

/** The remainder that is never negative. */
function modulo(number: number, by: number): number {
  return ((number % by) + by) % by;
}
