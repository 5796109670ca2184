/**
 * How long a node must have reached no Services before it lets its devices go, in milliseconds: as long as the others need to find out that they do,
 * or that they do not either. A cluster whose DNS is down must not have its devices go from node to node.
 */
export const UNWELL_MS = 30_000;

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
  /** Whether its data plane ends with this program, which is about to end. */
  readonly isEnding: boolean;
  /** Whether another node may take devices over; where none may, they are best off where they are. */
  readonly hasTaker: boolean;
}

/** Which devices a node lets go. `now` is in monotonic milliseconds. */
export function releaseOf(input: ReleaseInput, now: number): Release {
  const { isLeaving, leavingSince = now, unwellSince = now, drainMs, isEnding, hasTaker } = input;
  if (!hasTaker) return 'none';
  if (isEnding || now >= unwellSince + UNWELL_MS) return 'all';
  if (!isLeaving) return 'none';
  return now >= leavingSince + drainMs ? 'all' : 'idle';
}
