import * as z from 'zod';
import type { MeshGateway } from '../api/meshgateway.ts';
import { interfaceName, tableName } from '../api/names.ts';
import { type KubernetesObject, type ObjectMeta, objectMetaSchema, type ResourceType } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import { type EventRecorder, eventType } from '../k8s/events.ts';
import { some } from '../mesh/view.ts';

/** Nodes that a deleted gateway was let go without outlive it only in an Event, so that an uninstallation can still name them. */
const REASON = 'NodesGivenUp';

/** What these nodes may still hold of a gateway, with the remedy. */
export function whatIsLeft(gateway: string, nodes: readonly string[]): string {
  const device = interfaceName(gateway);
  const table = tableName(gateway);
  return `Node ${some(nodes)} did not clean up in time and may keep the interface ${device}, its routes and the nftables table inet ${table}. A reboot removes them; so do, on the node: ip link delete ${device}; nft delete table inet ${table}`;
}

/** Leaves word of the nodes that a gateway is let go without; resolves when it is stored, or could not be. */
export async function tellGivenUp(
  events: EventRecorder,
  gateway: MeshGateway,
  nodes: readonly string[],
): Promise<void> {
  const note = whatIsLeft(gateway.metadata.name, nodes);
  events.record({ regarding: gateway, type: 'Warning', reason: REASON, action: 'CleanUp', note });
  await events.flush();
}

/** What was told of these gateways by `tellGivenUp`. */
export async function nodesGivenUp(client: Client, gateways: readonly ObjectMeta[]): Promise<readonly string[]> {
  const fieldSelector = `reason=${REASON},regarding.kind=MeshGateway`;
  const { items } = await client.list(noteType, { namespace: 'default', fieldSelector });
  const uids = new Set(gateways.map(({ uid }) => uid));
  return items.filter(({ regarding }) => uids.has(regarding.uid)).map(({ note }) => note);
}

const noteSchema = z.object({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: objectMetaSchema,
  note: z.string().default(''),
  regarding: z.object({ uid: z.string().default('') }),
});

const noteType: ResourceType<KubernetesObject & z.infer<typeof noteSchema>> = {
  ...eventType,
  parse: (raw) => noteSchema.parse(raw),
};
