import type { ObjectKey } from '../api/resource.ts';
import { delay } from '../k8s/clock.ts';
import { ENDING_MOST_MS } from '../mesh/takeover/release.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Releasing } from './releasing.ts';

/**
 * So long it waits for devices to be called by other nodes once all are let go, or for a node that may call them where there is none, as one whose own agent has
 * just been replaced; and looks this often whether they were.
 */
const CALLED_MS = 4_000;
const LOOK_MS = 50;
/** So often it looks who has no connection open any more. */
const CONNECTIONS_MS = 1_000;

export interface LettingGoOptions {
  readonly releasing: Pick<Releasing, 'end' | 'release' | 'isReleased'>;
  /** Devices of which this node alone has a session, as its report says. */
  readonly ownSessions: () => readonly ObjectKey[];
  /** The report is to be written, since it says who is let go. */
  readonly onReport: () => void;
  readonly clock: Clock;
}

/** Lets all devices go, those with open connections last, and waits for a while until other nodes have called them. */
export async function waitUntilGone({ releasing, ownSessions, onReport, clock }: LettingGoOptions): Promise<void> {
  const patience = AbortSignal.timeout(ENDING_MOST_MS + CALLED_MS);
  let lookedAt = Number.NEGATIVE_INFINITY;
  let settledSince = Number.POSITIVE_INFINITY;
  while (!patience.aborted && clock.monotonic() < settledSince + CALLED_MS) {
    if (clock.monotonic() >= lookedAt + CONNECTIONS_MS) {
      await releasing.end();
      onReport();
      lookedAt = clock.monotonic();
    }
    const own = ownSessions();
    if (own.length === 0) return;
    const isSettled = releasing.release === 'none' || own.every((peer) => releasing.isReleased(peer));
    settledSince = isSettled ? Math.min(settledSince, clock.monotonic()) : Number.POSITIVE_INFINITY;
    await delay(clock, LOOK_MS, patience);
  }
}
