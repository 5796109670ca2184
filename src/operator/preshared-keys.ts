import { type Pod, podType, secretType } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshGatewayNode } from '../api/meshgatewaynode.ts';
import { GROUP, presharedKeysName } from '../api/names.ts';
import type { ObjectKey } from '../api/resource.ts';
import { timestamp } from '../api/timestamp.ts';
import type { Client } from '../k8s/client.ts';
import { isNotFound } from '../k8s/errors.ts';
import { type Outcome, settled, waiting } from '../k8s/outcome.ts';
import type { Clock } from '../runtime/clock.ts';
import type { AppliedChildren } from './applied-children.ts';
import { presharedKeysSecret } from './children.ts';
import { leaseKeyOf } from './liveness.ts';
import type { MeshState } from './mesh-state.ts';
import type { Stores } from './stores.ts';

export interface PresharedKeysReconciler {
  readonly stores: Stores;
  readonly state: MeshState;
  readonly client: Client;
  readonly children: AppliedChildren;
  readonly clock: Clock;
  readonly namespace: string;
  readonly nudges: Nudges;
}

/** On an agent's pod. The kubelet brings Secrets to a pod when the pod changes, and otherwise only about once a minute. */
export const AWAITED_ANNOTATION = `${GROUP}/keys-awaited`;

/** A kubelet that does not follow Secrets itself may take longer than it takes to ask again. */
const AGAIN_MS = 2_000;
const SELDOM_MS = 60_000;

/** When each pod was last nudged, and how often in vain. */
export type Nudges = Map<string, { readonly at: number; readonly times: number }>;

/**
 * Brings the preshared keys of a gateway's peers into the Secret that its pods mount, and has the kubelets of those who wait fetch it, or the
 * gateway's next key.
 */
export async function reconcilePresharedKeys(key: ObjectKey, context: PresharedKeysReconciler): Promise<Outcome> {
  const { stores, state, children, namespace } = context;
  const gateway = stores.gateways.get(key);
  if (gateway === undefined || gateway.metadata.deletionTimestamp !== undefined) return settled;
  const { name } = gateway.metadata;
  const keys = state.presharedKeys.keysAt(name);
  const isThere = stores.presharedKeySets.get(`${namespace}/${presharedKeysName(name)}` as ObjectKey) !== undefined;
  if (keys.size > 0 || isThere)
    await children.apply(secretType, stores.presharedKeySets, presharedKeysSecret(gateway, namespace, keys));
  const next = await nudgeWaiting(gateway, context);
  return next === undefined ? settled : waiting(next, 'keys are on their way to nodes');
}

/** Milliseconds until somebody who still waits is to be nudged again; undefined when nobody waits. */
async function nudgeWaiting(gateway: MeshGateway, context: PresharedKeysReconciler): Promise<number | undefined> {
  const { stores, state, clock, nudges } = context;
  let next: number | undefined;
  for (const { report, alive } of state.nodesOf(gateway.metadata.name)) {
    const pod = stores.leases.get(leaseKeyOf(report))?.spec.holderIdentity ?? '';
    const isWaiting = alive && pod !== '' && lacksKeys(gateway, report);
    if (!isWaiting) {
      nudges.delete(pod);
      continue;
    }
    const { at, times } = nudges.get(pod) ?? { at: Number.NEGATIVE_INFINITY, times: 0 };
    const due = at + Math.min(AGAIN_MS * 2 ** Math.max(times - 1, 0), SELDOM_MS) - clock.monotonic();
    if (due > 0) {
      next = Math.min(next ?? due, due);
      continue;
    }
    await nudge(pod, context);
    nudges.set(pod, { at: clock.monotonic(), times: times + 1 });
    next = Math.min(next ?? AGAIN_MS, AGAIN_MS);
  }
  return next;
}

/** Whether the kubelet is still to bring preshared keys, or the gateway's next key. */
function lacksKeys({ status }: MeshGateway, report: MeshGatewayNode): boolean {
  const { withoutPresharedKey = [], publicKey, otherPublicKey } = report.status ?? {};
  const next = status?.keys?.find(({ state }) => state === 'Next')?.publicKey;
  return withoutPresharedKey.length > 0 || (next !== undefined && next !== publicKey && next !== otherPublicKey);
}

async function nudge(name: string, { client, clock, namespace }: PresharedKeysReconciler): Promise<void> {
  const metadata = { annotations: { [AWAITED_ANNOTATION]: timestamp(clock.now()) } };
  try {
    await client.patch<Pod>(podType, { name, namespace }, { metadata });
  } catch (error) {
    // The Lease may outlive its pod.
    if (!isNotFound(error)) throw error;
  }
}
