import { jobType, leaseType } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { type MeshGatewayNode, meshGatewayNodeType } from '../api/meshgatewaynode.ts';
import type { Client } from '../k8s/client.ts';
import { isAlreadyExists } from '../k8s/errors.ts';
import type { EventRecorder } from '../k8s/events.ts';
import { type Outcome, settled, waiting } from '../k8s/outcome.ts';
import { abandonedNodes } from '../mesh/abandoned.ts';
import { leaveJob } from './children.ts';
import type { OperatorConfig } from './config.ts';
import type { MeshState } from './mesh-state.ts';

export interface AbandonedNodes {
  readonly state: MeshState;
  readonly client: Client;
  readonly events: EventRecorder;
  readonly config: OperatorConfig;
  readonly namespace: string;
}

/** A Job that failed is gone by then, and another one is made. */
const LOOK_AGAIN_MS = 60_000;

/** Has the nodes cleaned that a gateway no longer selects and whose agents died before they did it; forgets those that are gone. */
export async function clearAbandonedNodes(gateway: MeshGateway, context: AbandonedNodes): Promise<Outcome> {
  const { state } = context;
  const { gone, unclean } = abandonedNodes(gateway, state.nodes, state.nodesOf(gateway.metadata.name));
  for (const report of gone) await forget(report, context);
  for (const report of unclean) await clean(gateway, report, context);
  return unclean.length === 0 ? settled : waiting(LOOK_AGAIN_MS, 'nodes that are no longer selected are being cleaned');
}

async function forget({ metadata: { name } }: MeshGatewayNode, { client, namespace }: AbandonedNodes): Promise<void> {
  await client.delete(leaseType, { name, namespace });
  await client.delete(meshGatewayNodeType, { name, namespace });
}

async function clean(gateway: MeshGateway, report: MeshGatewayNode, context: AbandonedNodes): Promise<void> {
  const { client, events, config, namespace } = context;
  const job = leaveJob(gateway, report, config, namespace);
  try {
    await client.create(jobType, job);
  } catch (error) {
    if (isAlreadyExists(error)) return;
    throw error;
  }
  const note = `Node ${report.spec.node} no longer serves this gateway, and its agent ended without cleaning up; Job ${job.metadata.name} in ${namespace} does that. Until it has, the node may still serve the devices that it knew.`;
  events.record({ regarding: gateway, type: 'Warning', reason: 'NodeAbandoned', action: 'CleanUp', note });
}
