import { parseAllDocuments } from 'yaml';
import { clusterMeshAccessType } from '../../api/clustermeshaccess.ts';
import { type Namespace, type Node, namespaceType, nodeType, type Service, serviceType } from '../../api/core.ts';
import { meshAccessType } from '../../api/meshaccess.ts';
import { type MeshGateway, meshGatewayType } from '../../api/meshgateway.ts';
import { type MeshPeer, meshPeerType } from '../../api/meshpeer.ts';
import type { KubernetesObject, ResourceType } from '../../api/resource.ts';
import type { LocalFacts } from '../../dataplane/local-facts.ts';
import type { Client } from '../../k8s/client.ts';
import { isRecord } from '../../k8s/parse.ts';
import { granted } from '../../mesh/access/access.ts';
import type { AnyAccess } from '../../mesh/access/resolve.ts';
import { accessGateway, accessMembers, accessWorld } from '../../mesh/access/world.ts';
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
  /** These where a gateway denies by default. */
  readonly accesses: readonly AnyAccess[];
  readonly services: readonly Service[];
  readonly namespaces: readonly Namespace[];
}

/** `sallyport plan`: what the agent of a node will do, by the agent's own pure function; the probe peer's key is made at run time. */
export function plan(resources: PlanResources, facts: LocalFacts, now: number): void {
  const serving = resources.gateways.filter((gateway) => servingNodes(gateway, resources.nodes).includes(facts.node));
  if (serving.length === 0) throw new UserError(nobodyServes(resources, facts.node));
  for (const gateway of serving) print(gatewayPlan(gateway, resources, facts, now));
}

/** The resources in YAML files, as `kubectl get -o yaml` writes them. @throws {UserError} naming file and object. */
export function resourcesInFiles(files: readonly string[]): PlanResources {
  const objects = files.flatMap((file) => resourcesInText(readTextFile(file), file));
  return resourcesOf(objects);
}

/** The objects in a YAML text; `name` stands for it in errors. @throws {UserError} */
export function resourcesInText(text: string, name: string): readonly Item[] {
  return parseAllDocuments(text, { stringKeys: true }).flatMap((document) => {
    const [error] = document.errors;
    if (error !== undefined) throw new UserError(`${name} is not YAML: ${error.message}`);
    return itemsOf(contentOf(document, name), name);
  });
}

function contentOf(document: { toJS(): unknown }, name: string): unknown {
  try {
    return document.toJS();
  } catch (error) {
    // An alias without an anchor, or too many of them.
    if (error instanceof ReferenceError) throw new UserError(`${name} is not YAML: ${error.message}`);
    throw error;
  }
}

/** The resources among these objects. @throws {UserError} naming the object that has not the shape of its kind */
export function resourcesOf(objects: readonly Item[]): PlanResources {
  const ofKind = <T extends KubernetesObject>(type: ResourceType<T>) =>
    objects.filter((object) => object.kind === type.kind).map((object) => parseItem(type, object));
  return {
    gateways: ofKind(meshGatewayType),
    peers: ofKind(meshPeerType),
    nodes: ofKind(nodeType),
    accesses: [...ofKind(meshAccessType), ...ofKind(clusterMeshAccessType)],
    services: ofKind(serviceType),
    namespaces: ofKind(namespaceType),
  };
}

/** The resources of a cluster. */
export async function resourcesInCluster(client: Client): Promise<PlanResources> {
  const [gateways, peers, nodes] = await Promise.all([
    client.list(meshGatewayType),
    client.list(meshPeerType),
    client.list(nodeType),
  ]);
  const found = { gateways: gateways.items, peers: peers.items, nodes: nodes.items };
  // Who may not list these can still see the plan of a gateway that has no use for them.
  if (gateways.items.every(({ spec }) => spec.access.default === 'Allow'))
    return { ...found, accesses: [], services: [], namespaces: [] };
  const [accesses, clusterAccesses, services, namespaces] = await Promise.all([
    client.list(meshAccessType),
    client.list(clusterMeshAccessType),
    client.list(serviceType),
    client.list(namespaceType),
  ]);
  const all = [...accesses.items, ...clusterAccesses.items];
  return { ...found, accesses: all, services: services.items, namespaces: namespaces.items };
}

/** A Kubernetes object as far as a file must show it. */
export interface Item {
  readonly kind: string;
  readonly metadata?: { readonly name?: string };
}

function itemsOf(content: unknown, name: string): readonly Item[] {
  if (content === null || content === undefined) return [];
  if (!isRecord(content) || typeof content.kind !== 'string') throw notAnObject(name);
  if (!content.kind.endsWith('List')) return [content as unknown as Item];
  const items = content.items ?? [];
  if (!Array.isArray(items)) throw notAnObject(name);
  return items.flatMap((item) => itemsOf(item, name));
}

function notAnObject(name: string): UserError {
  return new UserError(`${name} holds something that is not a Kubernetes object`);
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

function gatewayPlan(gateway: MeshGateway, resources: PlanResources, facts: LocalFacts, now: number): string {
  const served = topology(gateway);
  if (served === undefined)
    return `# MeshGateway ${gateway.metadata.name} is not accepted by the operator, so the node stays as it is.\n`;
  const table = peerTable(gateway.metadata.name, resources.peers, now);
  const { accesses } = resources;
  const objects = { accesses, world: accessWorld(resources), now };
  const open = granted(accessGateway(served), accessMembers(table), objects);
  const text = planText(planNode(served, { facts, peers: table.wanted, granted: open }));
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
