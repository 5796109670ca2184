import { isDeepStrictEqual } from 'node:util';
import { type MeshGateway, type MeshGatewayStatus, meshGatewayType } from '../api/meshgateway.ts';
import { meshGatewayNodeType } from '../api/meshgatewaynode.ts';
import { CLEANUP_FINALIZER, OPERATOR_MANAGER } from '../api/names.ts';
import { milliseconds } from '../api/timestamp.ts';
import type { Client } from '../k8s/client.ts';
import type { EventRecorder } from '../k8s/events.ts';
import { type Outcome, settled, waiting } from '../k8s/outcome.ts';
import { judgeLeaving } from '../mesh/gateway-leaving.ts';
import { type GatewayNode, some } from '../mesh/view.ts';
import type { Clock } from '../runtime/clock.ts';
import { tellGivenUp } from './left-behind.ts';
import type { MeshState } from './mesh-state.ts';
import { writeStatus } from './write-status.ts';

export interface GatewayCleanup {
  readonly state: MeshState;
  readonly client: Client;
  readonly events: EventRecorder;
  readonly clock: Clock;
}

/** How long a deleted gateway waits for nodes whose agents still answer. */
export const CLEANUP_DEADLINE_MS = 60_000;

/**
 * Lets a deleted gateway go once no node holds anything of it any more. A node says so by deleting its report; a node that is gone,
 * or whose agent is dead, is not waited for, and nothing is waited for beyond the deadline.
 */
export async function cleanUp(
  gateway: MeshGateway,
  { state, client, events, clock }: GatewayCleanup,
): Promise<Outcome> {
  if (!gateway.metadata.finalizers?.includes(CLEANUP_FINALIZER)) return settled;
  const deadline = milliseconds(gateway.metadata.deletionTimestamp ?? '') + CLEANUP_DEADLINE_MS;
  const left = deadline - clock.now();
  const unclean = uncleanNodes(gateway, state);
  const waitedFor = left > 0 ? unclean.filter(({ alive }) => alive) : [];
  if (waitedFor.length > 0) {
    await tellWaiting(client, gateway, judgeLeaving(gateway, namesOf(waitedFor), { now: clock.now(), deadline }));
    return waiting(Math.min(left, 2_000), `cleaning ${some(namesOf(waitedFor))}`);
  }
  const givenUp = await stillReporting(client, unclean);
  if (givenUp.length > 0) await tellGivenUp(events, gateway, namesOf(givenUp));
  await letGo(client, gateway);
  return settled;
}

async function tellWaiting(client: Client, gateway: MeshGateway, status: MeshGatewayStatus): Promise<void> {
  if (isDeepStrictEqual(gateway.status, status)) return;
  await writeStatus(client, meshGatewayType, gateway, status);
}

/** A node that is no longer part of the cluster does not count. */
function uncleanNodes(gateway: MeshGateway, state: MeshState): readonly GatewayNode[] {
  const present = new Set(state.nodes.map(({ metadata }) => metadata.name));
  return state.nodesOf(gateway.metadata.name).filter(({ report }) => present.has(report.spec.node));
}

/** Reports and Leases come by two watches: one of them may tell sooner that both are gone. */
async function stillReporting(client: Client, nodes: readonly GatewayNode[]): Promise<readonly GatewayNode[]> {
  const found = await Promise.all(
    nodes.map(({ report: { metadata } }) => client.get(meshGatewayNodeType, metadata.name, metadata.namespace)),
  );
  return nodes.filter((_, index) => found[index] !== undefined);
}

function namesOf(nodes: readonly GatewayNode[]): readonly string[] {
  return nodes.map(({ report }) => report.spec.node);
}

/** Gives up the finalizer. An apply without it takes away what this manager put there, and nothing else. */
async function letGo(client: Client, gateway: MeshGateway): Promise<void> {
  const metadata = { name: gateway.metadata.name, uid: gateway.metadata.uid };
  await client.apply(meshGatewayType, { metadata }, { fieldManager: OPERATOR_MANAGER });
}
