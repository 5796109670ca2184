/** Which counters of a session have been seen: a sliding window over a ring of bits (RFC 6479). */
export interface ReplayWindow {
  /** One more than the highest counter accepted; zero before the first. */
  readonly next: number;
  readonly ring: Uint32Array;
}

const WORD_BITS = 32;
const RING_WORDS = 64;

/** How far a packet may be overtaken by others: one word less than the ring, because the newest word is partly ahead. */
export const WINDOW_SIZE = (RING_WORDS - 1) * WORD_BITS;

/** A window that has seen nothing. */
export const EMPTY_WINDOW: ReplayWindow = { next: 0, ring: new Uint32Array(RING_WORDS) };

/**
 * The window after an authentic packet, or undefined when its counter was seen before or is too old.
 * Ask only after the packet proved authentic: a forged high counter would push out honest ones.
 */
export function accept(window: ReplayWindow, counter: number): ReplayWindow | undefined {
  if (counter + 1 + WINDOW_SIZE < window.next) return undefined;
  const next = counter + 1;
  const word = wordOf(next);
  const bit = 1 << (next % WORD_BITS);
  const ring = Uint32Array.from(window.ring);
  if (next > window.next) clearAhead(ring, window.next, next);
  const seen = ring[word] ?? 0;
  if ((seen & bit) !== 0) return undefined;
  ring[word] = seen | bit;
  return { next: Math.max(window.next, next), ring };
}

/** Words between the old and the new head belong to counters that left the window. */
function clearAhead(ring: Uint32Array, from: number, to: number): void {
  const first = Math.floor(from / WORD_BITS);
  const steps = Math.min(Math.floor(to / WORD_BITS) - first, RING_WORDS);
  for (let step = 1; step <= steps; step++) ring[(first + step) % RING_WORDS] = 0;
}

function wordOf(position: number): number {
  return Math.floor(position / WORD_BITS) % RING_WORDS;
}
