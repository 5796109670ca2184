import { leaseType, nodeType } from '../api/core.ts';
import { meshGatewayType } from '../api/meshgateway.ts';
import { meshGatewayNodeType } from '../api/meshgatewaynode.ts';
import { gatewayNodeName } from '../api/names.ts';
import type { Names } from '../dataplane/node-plan.ts';
import { cleanup, type Operation } from '../dataplane/operation.ts';
import type { Host } from '../host/host.ts';
import type { Client } from '../k8s/client.ts';
import { servingNodes } from '../mesh/selectors.ts';

/** One gateway on one node, and where its report and its Lease are. */
export interface Place {
  readonly gateway: string;
  readonly node: string;
  readonly namespace: string;
}

/**
 * Whether the gateway is there to stay and selects this node, which is one of the cluster. The API server is asked: what a watch last said may
 * be old. A machine whose Node object is gone gets no agent any more that would put out who is revoked.
 */
export async function isWanted(client: Client, { gateway, node }: Place): Promise<boolean> {
  const [served, self] = await Promise.all([client.get(meshGatewayType, gateway), client.get(nodeType, node)]);
  if (served === undefined || served.metadata.deletionTimestamp !== undefined) return false;
  return self !== undefined && servingNodes(served, [self]).length > 0;
}

/** Takes everything under these names off the node. */
export async function clearNode(host: Host, names: Names, onOperation: (operation: Operation) => void): Promise<void> {
  const { facts, state } = await host.observe(names);
  for (const operation of cleanup(names, state, facts.proxyMode)) {
    onOperation(operation);
    await host.apply(operation);
  }
}

/**
 * Tells that the node holds nothing of the gateway any more: takes its report and its Lease away. The report goes first: a report
 * without a Lease is how the operator knows of a node that nobody cleaned.
 */
export async function forgetNode(client: Client, { gateway, node, namespace }: Place): Promise<void> {
  const name = gatewayNodeName(gateway, node);
  await client.delete(meshGatewayNodeType, { name, namespace });
  await client.delete(leaseType, { name, namespace });
}
