import type { Trust } from './candidates.ts';

/**
 * How long a node must have reached no Services before it lets its devices go, in milliseconds: as long as the others need to find out that they do,
 * or that they do not either. A cluster whose DNS is down must not have its devices go from node to node.
 */
export const UNWELL_MS = 30_000;

/** However long connections may go on, a program that is about to end waits no longer for them, in milliseconds: its pod is killed after `terminationGracePeriodSeconds`. */
export const ENDING_MOST_MS = 70_000;

/** Which of its devices a node lets go to others: none, those without open connections, or all. */
export type Release = 'none' | 'idle' | 'all';

export interface ReleaseInput {
  /** Whether the node is about to go. */
  readonly isLeaving: boolean;
  /** How long connections may go on through a node that is about to go, in milliseconds. */
  readonly drainMs: number;
  /** Since when the node knows that it is leaving, in monotonic milliseconds. */
  readonly leavingSince: number | undefined;
  /** Since when it has reached no Services, in monotonic milliseconds. */
  readonly unwellSince: number | undefined;
  /** Since when this program is about to end, and its data plane with it, in monotonic milliseconds. */
  readonly endingSince: number | undefined;
  /** How the best of the other nodes that may take devices over is relied on; where none may, they are best off where they are. */
  readonly taker: Trust;
}

/** Which devices a node lets go. `now` is in monotonic milliseconds. */
export function releaseOf(input: ReleaseInput, now: number): Release {
  const { isLeaving, leavingSince = now, unwellSince = now, endingSince, drainMs, taker } = input;
  if (taker === 'none') return 'none';
  // A node that was of no use itself a while ago may have the same trouble again.
  if (taker === 'steady' && now >= unwellSince + UNWELL_MS) return 'all';
  if (!isLeaving && endingSince === undefined) return 'none';
  const gone = isLeaving ? leavingSince + drainMs : Number.POSITIVE_INFINITY;
  const ended = endingSince === undefined ? Number.POSITIVE_INFINITY : endingSince + Math.min(drainMs, ENDING_MOST_MS);
  return now >= Math.min(gone, ended) ? 'all' : 'idle';
}
