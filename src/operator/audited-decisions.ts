import { findCondition } from '../api/conditions.ts';
import type { MeshPeer, MeshPeerStatus } from '../api/meshpeer.ts';
import type { ObjectKey } from '../api/resource.ts';
import { decisionLines } from '../mesh/audit/lifecycle.ts';
import { auditSentence } from '../mesh/audit/line.ts';
import type { Log } from '../runtime/log.ts';

/** Writes to the audit log whom the operator accepts and refuses, once each: a peer may be decided about again before its status has come back. */
export class AuditedDecisions {
  readonly #audit: Log;
  readonly #told = new Map<ObjectKey, string>();

  constructor(audit: Log) {
    this.#audit = audit;
  }

  /** Tells the decision in a status that was written, where it is another one than before. */
  tell(key: ObjectKey, peer: MeshPeer, status: MeshPeerStatus): void {
    const after = accepted(status);
    const decision = JSON.stringify([peer.metadata.uid, after?.status, after?.reason]);
    const lines = this.#told.get(key) === decision ? [] : decisionLines(peer, accepted(peer.status), after);
    for (const line of lines) this.#audit.info(line, auditSentence(line));
    if (lines.length > 0) this.#told.set(key, decision);
  }

  /** Nobody asks about the peer any more. */
  forget(key: ObjectKey): void {
    this.#told.delete(key);
  }
}

function accepted(status: MeshPeerStatus | undefined) {
  return findCondition(status?.conditions ?? [], 'Accepted');
}
