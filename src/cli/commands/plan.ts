import { parseAllDocuments } from 'yaml';
import { type Node, nodeType } from '../../api/core.ts';
import { type MeshGateway, meshGatewayType } from '../../api/meshgateway.ts';
import { type MeshPeer, meshPeerType } from '../../api/meshpeer.ts';
import type { KubernetesObject, ResourceType } from '../../api/resource.ts';
import type { LocalFacts } from '../../dataplane/local-facts.ts';
import type { Client } from '../../k8s/client.ts';
import { planNode } from '../../mesh/node.ts';
import { peerTable } from '../../mesh/peer-table.ts';
import { planText } from '../../mesh/plan-text.ts';
import { servingNodes } from '../../mesh/selectors.ts';
import { topology } from '../../mesh/topology.ts';
import { readTextFile } from '../files.ts';
import { print, UserError } from '../output.ts';

/** The resources that a plan is made from. */
export interface PlanResources {
  readonly gateways: readonly MeshGateway[];
  readonly peers: readonly MeshPeer[];
  readonly nodes: readonly Node[];
}

/** `sallyport plan`: what the agent of a node will do, by the agent's own pure function; the probe peer's key is made at run time. */
export function plan(resources: PlanResources, facts: LocalFacts, now: number): void {
  const serving = resources.gateways.filter((gateway) => servingNodes(gateway, resources.nodes).includes(facts.node));
  if (serving.length === 0) throw new UserError(nobodyServes(resources, facts.node));
  for (const gateway of serving) print(gatewayPlan(gateway, resources.peers, facts, now));
}

/** The resources in YAML files, as `kubectl get -o yaml` writes them. @throws {UserError} naming file and object. */
export function resourcesInFiles(files: readonly string[]): PlanResources {
  const objects = files.flatMap((file) =>
    parseAllDocuments(readTextFile(file)).flatMap((document) => itemsOf(document.toJS() as Item, file)),
  );
  const ofKind = <T extends KubernetesObject>(type: ResourceType<T>) =>
    objects.filter((object) => object.kind === type.kind).map((object) => parseItem(type, object));
  return { gateways: ofKind(meshGatewayType), peers: ofKind(meshPeerType), nodes: ofKind(nodeType) };
}

/** The resources of a cluster. */
export async function resourcesInCluster(client: Client): Promise<PlanResources> {
  const [gateways, peers, nodes] = await Promise.all([
    client.list(meshGatewayType),
    client.list(meshPeerType),
    client.list(nodeType),
  ]);
  return { gateways: gateways.items, peers: peers.items, nodes: nodes.items };
}

interface Item {
  readonly kind?: string;
  readonly metadata?: { readonly name?: string };
  readonly items?: readonly Item[];
}

function itemsOf(document: Item | null, file: string): readonly Item[] {
  if (document === null) return [];
  if (typeof document !== 'object' || typeof document.kind !== 'string')
    throw new UserError(`${file} holds something that is not a Kubernetes object`);
  return document.items ?? [document];
}

function parseItem<T extends KubernetesObject>(type: ResourceType<T>, item: Item): T {
  try {
    return type.parse(item);
  } catch (error) {
    throw new UserError(
      `${type.kind} ${item.metadata?.name ?? '(without a name)'}: ${error instanceof Error ? error.message : error}`,
    );
  }
}

function gatewayPlan(gateway: MeshGateway, peers: readonly MeshPeer[], facts: LocalFacts, now: number): string {
  const served = topology(gateway);
  if (served === undefined)
    return `# MeshGateway ${gateway.metadata.name} is not accepted by the operator, so the node stays as it is.\n`;
  const text = planText(planNode(served, { facts, peers: peerTable(gateway.metadata.name, peers, now).wanted }));
  return [
    `# MeshGateway ${gateway.metadata.name} on ${facts.node}`,
    text.wg,
    '# routes',
    text.routes,
    '# nft',
    text.nft,
  ].join('\n');
}

function nobodyServes({ nodes, gateways }: PlanResources, node: string): string {
  const names = nodes.map(({ metadata }) => metadata.name);
  if (!names.includes(node)) return `there is no node ${node}; there is ${names.join(', ') || 'none'}`;
  const known = gateways.map(({ metadata }) => metadata.name).join(', ');
  return `no MeshGateway selects node ${node}${known === '' ? '; there is none' : ` (looked at ${known})`}`;
}
