import { isDeepStrictEqual } from 'node:util';
import type { AccessStatus } from '../api/access-fields.ts';
import { type ClusterMeshAccess, clusterMeshAccessType } from '../api/clustermeshaccess.ts';
import { findCondition } from '../api/conditions.ts';
import { type MeshAccess, meshAccessType } from '../api/meshaccess.ts';
import type { ObjectKey, ResourceType } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import type { EventRecorder } from '../k8s/events.ts';
import { type Outcome, settled, waiting } from '../k8s/outcome.ts';
import type { Store } from '../k8s/store.ts';
import type { AccessWorld, AnyAccess } from '../mesh/access/resolve.ts';
import { judgeAccess } from '../mesh/access/status.ts';
import type { MeshView } from '../mesh/view.ts';
import type { Clock } from '../runtime/clock.ts';
import { writeStatus } from './write-status.ts';

export interface AccessReconciler {
  readonly accesses: Store<MeshAccess>;
  readonly clusterAccesses: Store<ClusterMeshAccess>;
  readonly world: AccessWorld;
  readonly state: Pick<MeshView, 'gateways'>;
  readonly client: Client;
  readonly events: EventRecorder;
  readonly clock: Clock;
}

/**
 * Brings one grant's status to what is found about it now. A key without a namespace is that of a grant of the cluster. Writes
 * nothing when nothing changed.
 */
export async function reconcileAccess(key: ObjectKey, context: AccessReconciler): Promise<Outcome> {
  const { accesses, clusterAccesses, world, state, client, events, clock } = context;
  const access: AnyAccess | undefined = accesses.get(key) ?? clusterAccesses.get(key);
  if (access === undefined || access.metadata.deletionTimestamp !== undefined) return settled;
  const { status, until } = judgeAccess(access, { gateways: state.gateways, world, now: clock.now() });
  if (!isDeepStrictEqual(access.status, status)) {
    const type = access.metadata.namespace === undefined ? clusterMeshAccessType : meshAccessType;
    await writeStatus(client, type as ResourceType<AnyAccess>, access, status);
    announce(events, access, status);
  }
  return until === undefined ? settled : waiting(Math.max(until - clock.now(), 0), 'the grant expires');
}

/** An Event when a person should look: whenever a grant begins or ceases to let somebody reach something, or the reason changes. */
function announce(events: EventRecorder, access: AnyAccess, status: AccessStatus): void {
  const [before, after] = [access.status, status].map((one) => deciding(one));
  if (after === undefined || (before?.status === after.status && before.reason === after.reason)) return;
  const type = after.status === 'True' ? 'Normal' : 'Warning';
  events.record({ regarding: access, type, reason: after.reason, action: 'Resolve', note: after.message });
}

function deciding(status: AccessStatus | undefined) {
  const conditions = status?.conditions ?? [];
  const accepted = findCondition(conditions, 'Accepted');
  return accepted?.status === 'False' ? accepted : findCondition(conditions, 'Resolved');
}
