import { type MeshPeer, meshPeerType } from '../api/meshpeer.ts';
import type { Client } from '../k8s/client.ts';
import { isConflict } from '../k8s/errors.ts';
import type { EventRecorder } from '../k8s/events.ts';
import { type Outcome, settled, waiting } from '../k8s/outcome.ts';
import { deletionDue } from '../mesh/expired.ts';
import type { Clock } from '../runtime/clock.ts';
import type { OperatorConfig } from './config.ts';

export interface ExpiredPeers {
  readonly client: Client;
  readonly events: EventRecorder;
  readonly clock: Clock;
  readonly config: Pick<OperatorConfig, 'expiredPeers'>;
}

/** Somebody changed the peer meanwhile; what it is now arrives by the watch, and this is for a watch that lags. */
const CHANGED_MS = 5_000;

/**
 * Deletes a peer whose grace time after its expiry is over, or says when that will be. Only as it was looked at: an expiry that is
 * being moved at the same moment wins.
 */
export async function sweepExpired(peer: MeshPeer, { client, events, clock, config }: ExpiredPeers): Promise<Outcome> {
  const due = deletionDue(peer, config.expiredPeers.deleteAfter);
  if (due === Number.POSITIVE_INFINITY) return settled;
  const left = due - clock.now();
  if (left > 0) return waiting(left, 'the peer is deleted some time after its expiry');
  const { name, namespace, uid, resourceVersion } = peer.metadata;
  try {
    if (!(await client.delete(meshPeerType, { name, namespace }, { uid, resourceVersion }))) return settled;
  } catch (error) {
    if (isConflict(error)) return waiting(CHANGED_MS, 'the peer was changed meanwhile');
    throw error;
  }
  const note = `Deleted, because it expired at ${peer.spec.expiresAt} and nobody gave it a later time since. The chart's value expiredPeers.deleteAfter says after how long this happens.`;
  events.record({ regarding: peer, type: 'Normal', reason: 'ExpiredPeerDeleted', action: 'Delete', note });
  return settled;
}
