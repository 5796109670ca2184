import { isDeepStrictEqual } from 'node:util';
import { findCondition } from '../api/conditions.ts';
import { type MeshAccess, type MeshAccessStatus, meshAccessType } from '../api/meshaccess.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import type { EventRecorder } from '../k8s/events.ts';
import { type Outcome, settled, waiting } from '../k8s/outcome.ts';
import type { Store } from '../k8s/store.ts';
import type { AccessWorld } from '../mesh/access/resolve.ts';
import { judgeAccess } from '../mesh/access/status.ts';
import type { MeshView } from '../mesh/view.ts';
import type { Clock } from '../runtime/clock.ts';
import { writeStatus } from './write-status.ts';

export interface AccessReconciler {
  readonly accesses: Store<MeshAccess>;
  readonly world: AccessWorld;
  readonly state: Pick<MeshView, 'gateways'>;
  readonly client: Client;
  readonly events: EventRecorder;
  readonly clock: Clock;
}

/** Brings one grant's status to what is found about it now. Writes nothing when nothing changed. */
export async function reconcileAccess(key: ObjectKey, context: AccessReconciler): Promise<Outcome> {
  const { accesses, world, state, client, events, clock } = context;
  const access = accesses.get(key);
  if (access === undefined || access.metadata.deletionTimestamp !== undefined) return settled;
  const { status, until } = judgeAccess(access, { gateways: state.gateways, world, now: clock.now() });
  if (!isDeepStrictEqual(access.status, status)) {
    await writeStatus(client, meshAccessType, access, status);
    announce(events, access, status);
  }
  return until === undefined ? settled : waiting(Math.max(until - clock.now(), 0), 'the grant expires');
}

/** An Event when a person should look: whenever a grant begins or ceases to let somebody reach something, or the reason changes. */
function announce(events: EventRecorder, access: MeshAccess, status: MeshAccessStatus): void {
  const [before, after] = [access.status, status].map((one) => deciding(one));
  if (after === undefined || (before?.status === after.status && before.reason === after.reason)) return;
  const type = after.status === 'True' ? 'Normal' : 'Warning';
  events.record({ regarding: access, type, reason: after.reason, action: 'Resolve', note: after.message });
}

function deciding(status: MeshAccessStatus | undefined) {
  const conditions = status?.conditions ?? [];
  const accepted = findCondition(conditions, 'Accepted');
  return accepted?.status === 'False' ? accepted : findCondition(conditions, 'Resolved');
}
