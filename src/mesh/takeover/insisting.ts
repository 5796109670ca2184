import type { ObjectKey } from '../../api/resource.ts';
import type { DueCall } from './calls.ts';

/** A device that was called away from a node that may still draw it back. */
export interface CalledAway {
  readonly call: DueCall;
  /** The node that it was called away from. */
  readonly from: string;
}

/**
 * A device that was called is called again after these times, in milliseconds, should what its former node still had to send it draw it back. What it
 * sends there then is of the new session and lost, so the first is soon.
 */
const AGAIN_MS = [250, 1_000, 2_000] as const;
/** Who has not come after so long, in milliseconds, may never have heard of it. */
export const LATE_MS = 1_000;
/** So many of them are called anew at once: each costs the kernel some 17 ms. */
export const MOST_LOST = 100;
/**
 * A node that was cut off from others has sessions that it takes for good until the API server tells it of the others: meanwhile those who went are called
 * so often, for so long at most, in milliseconds.
 */
export const EVERY_MS = 1_000;
export const RETURNING_MS = 20_000;

/**
 * What the node that a device was called away from may still do to it: `draws` it back by what it still sends; has `let-go`, and may have drawn it
 * before that; or `none`, for the device is where it wants to be.
 */
export type Pull = 'draws' | 'let-go' | 'none';

/** A device that is to be called again now. */
export interface Again extends CalledAway {
  /** Whether it has had its time to come, said at most once in LATE_MS. */
  readonly isLate: boolean;
}

interface Entry extends CalledAway {
  /** When it is to be called again, the next time first. */
  readonly at: readonly number[];
  /** Since when it has its time to come; undefined where it has come before. */
  readonly calledAt: number | undefined;
}

/** Who is to be called again, and when. Times are in monotonic milliseconds. */
export class Insisting {
  readonly #entries = new Map<ObjectKey, Entry>();

  /** Takes in who was called. */
  called(calls: readonly DueCall[], from: string, now: number): void {
    const at = AGAIN_MS.map((wait) => now + wait);
    for (const call of calls) this.#entries.set(call.peer, { call, from, at, calledAt: now });
  }

  /** A node from which devices were called away is back: it is as it was, and knows nothing of that. */
  returned(node: string, now: number): void {
    const every = Array.from({ length: RETURNING_MS / EVERY_MS }, (_, index) => index * EVERY_MS);
    // What waited on it is sent just now.
    const at = [0, AGAIN_MS[0], ...every.slice(1)].map((wait) => now + wait);
    for (const [peer, entry] of this.#entries)
      if (entry.from === node) this.#entries.set(peer, { ...entry, at, calledAt: undefined });
  }

  /** The node that let these go is dead: whoever of them has not come by now has nobody, and is late at once. */
  died(calls: readonly DueCall[], from: string, now: number): void {
    this.called(calls, from, now - LATE_MS);
  }

  /** A node has let these go: whom it has drawn back before that would stay there and not be understood, so they are called now, for the last time. */
  letGo(node: string, peers: Iterable<ObjectKey>, now: number): void {
    for (const peer of peers) {
      const entry = this.#entries.get(peer);
      if (entry?.from === node && entry.at.length > 0) this.#entries.set(peer, { ...entry, at: [now] });
    }
  }

  /** Forgets these: what they hear of this node depends on their own packets now. */
  drop(peers: Iterable<ObjectKey>): void {
    for (const peer of peers) this.#entries.delete(peer);
  }

  /** Forgets who was called away from nodes that neither are dead nor may be on their way back. */
  forget(isDead: (node: string) => boolean): void {
    for (const [peer, { from, at }] of this.#entries) if (at.length === 0 && !isDead(from)) this.#entries.delete(peer);
  }

  /** Who is to be called again now; each of them as long as its former node may draw it back, and once more when that has let it go. */
  take(now: number, pullOn: (called: CalledAway) => Pull): readonly Again[] {
    const due = [...this.#entries.values()].filter(({ at }) => (at[0] ?? Number.POSITIVE_INFINITY) <= now);
    return due.flatMap((entry) => {
      const pull = pullOn(entry);
      const at = pull === 'draws' ? entry.at.filter((time) => time > now) : [];
      const isLate = entry.calledAt !== undefined && now - entry.calledAt >= LATE_MS;
      const calledAt = isLate && entry.calledAt !== undefined ? entry.calledAt + LATE_MS : entry.calledAt;
      this.#entries.set(entry.call.peer, { ...entry, at, calledAt });
      return pull === 'none' ? [] : [{ ...entry, isLate }];
    });
  }

  /** When somebody is to be called again; undefined when nobody is. */
  get next(): number | undefined {
    const next = Math.min(...[...this.#entries.values()].map(({ at }) => at[0] ?? Number.POSITIVE_INFINITY));
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }
}
