import type { MeshPeer } from '../api/meshpeer.ts';
import { milliseconds } from '../api/timestamp.ts';
import { expiryOf } from './members.ts';

/**
 * When an expired MeshPeer may be deleted, in milliseconds since the epoch: `graceMs` after its expiry, and after it was made, so
 * that whoever makes one that has expired already sees why it is not let in. Infinity for never, as for a time that nobody can read.
 */
export function deletionDue(peer: MeshPeer, graceMs: number): number {
  const expiry = expiryOf(peer);
  if (!Number.isFinite(expiry)) return Number.POSITIVE_INFINITY;
  const made = milliseconds(peer.metadata.creationTimestamp);
  return Math.max(expiry, Number.isNaN(made) ? expiry : made) + graceMs;
}
