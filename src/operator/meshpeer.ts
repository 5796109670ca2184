import { isDeepStrictEqual } from 'node:util';
import { findCondition, isTrue } from '../api/conditions.ts';
import { type MeshPeer, type MeshPeerStatus, meshPeerType } from '../api/meshpeer.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { EventRecorder } from '../k8s/events.ts';
import { type Outcome, rejected, settled, waiting } from '../k8s/outcome.ts';
import type { Store } from '../k8s/store.ts';
import { judgePeer } from '../mesh/peer-status.ts';
import type { AuditedDecisions } from './audited-decisions.ts';
import { type ExpiredPeers, sweepExpired } from './expired-peers.ts';
import type { MeshState } from './mesh-state.ts';
import { writeStatus } from './write-status.ts';

export interface PeerReconciler extends ExpiredPeers {
  readonly peers: Store<MeshPeer>;
  readonly state: MeshState;
  readonly decisions: AuditedDecisions;
}

/** Brings one peer's status to what is decided about it now, and deletes it some time after its expiry. Writes nothing when nothing changed. */
export async function reconcilePeer(key: ObjectKey, context: PeerReconciler): Promise<Outcome> {
  const { peers, state, client, events, clock, decisions } = context;
  const peer = peers.get(key);
  if (peer === undefined || peer.metadata.deletionTimestamp !== undefined) {
    decisions.forget(key);
    return settled;
  }
  const { status, grant, until } = judgePeer(state, peer, clock.now());
  // Before the write: the next decision must not give the same address away while this one is on its way.
  if (grant === undefined) state.claims.withdraw(key);
  else state.claims.grant(key, grant);
  let latest = peer;
  if (!isDeepStrictEqual(peer.status, status)) {
    const written = await writeStatus(client, meshPeerType, peer, status).catch((error: unknown) => {
      state.claims.withdraw(key);
      throw error;
    });
    latest = written;
    if (!isSameGift(peer.status, status)) state.noteAccepted(key, written);
    announce(events, peer, status);
    decisions.tell(key, peer, status);
  }
  if (until !== undefined) return waiting(Math.max(until - clock.now(), 0), 'time decides anew');
  const sweep = await sweepExpired(latest, context);
  if (sweep.kind === 'waiting' || grant !== undefined) return sweep;
  return rejected(findCondition(status.conditions ?? [], 'Accepted')?.reason ?? '');
}

/** Whether both statuses let the same keys in with the same addresses at the same gateways. */
function isSameGift(before: MeshPeerStatus | undefined, after: MeshPeerStatus): boolean {
  const gift = (status: MeshPeerStatus | undefined) => [
    isTrue(status?.conditions ?? [], 'Accepted'),
    status?.publicKey,
    status?.nextPublicKey,
    status?.presharedKeyVersion,
    status?.addresses,
    status?.gateways,
  ];
  return isDeepStrictEqual(gift(before), gift(after));
}

/** An Event when a person should look: whoever is let in or refused, whenever the reason changes. */
function announce(events: EventRecorder, peer: MeshPeer, status: MeshPeerStatus): void {
  const before = findCondition(peer.status?.conditions ?? [], 'Accepted');
  const after = findCondition(status.conditions ?? [], 'Accepted');
  if (after === undefined || (before?.status === after.status && before.reason === after.reason)) return;
  const type = after.status === 'True' ? 'Normal' : 'Warning';
  events.record({ regarding: peer, type, reason: after.reason, action: 'Admit', note: after.message });
}
