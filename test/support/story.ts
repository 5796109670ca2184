import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { renderRuleset } from '../../src/dataplane/nftables/render.ts';
import type { NodePlan } from '../../src/dataplane/node-plan.ts';
import { ROUTE_PROTOCOL } from '../../src/dataplane/routes/route.ts';
import type { WantedDevice } from '../../src/dataplane/wireguard/device.ts';
import { type Granted, granted } from '../../src/mesh/access/access.ts';
import { accessGateway, accessMembers } from '../../src/mesh/access/world.ts';
import { planNode } from '../../src/mesh/node.ts';
import { type PeerTable, peerTable } from '../../src/mesh/peer-table.ts';
import { servingNodes } from '../../src/mesh/selectors.ts';
import { type Topology, topology } from '../../src/mesh/topology.ts';
import { addressesIn } from '../../src/net/address.ts';
import { type Cidr, hostCidr } from '../../src/net/cidr.ts';
import { type Cluster, clusterOf, type StoryInput, settled, storyInputSchema, worldOf } from './story-cluster.ts';

/** Where stories stand, from the project's top. */
export const STORIES = 'test/cases';

const FOLDER = join(import.meta.dirname, '..', 'cases');

/** What one node of a story is to be, and by which gateway. */
export interface StoryNode {
  readonly gateway: string;
  readonly table: PeerTable;
  readonly plan: NodePlan;
}

/** A story as it ends: what everybody was told, and what every node is to be. */
export interface Story {
  readonly name: string;
  readonly input: StoryInput;
  readonly cluster: Cluster;
  readonly nodes: ReadonlyMap<string, StoryNode>;
}

/** The names of all stories. */
export function storyNames(): readonly string[] {
  const entries = readdirSync(FOLDER, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

/** What stands in a story's folder beside its input, by file name. */
export function committedFiles(name: string): Readonly<Record<string, string>> {
  const files = readdirSync(join(FOLDER, name)).filter((file) => file !== 'input.yaml');
  return Object.fromEntries(files.map((file) => [file, readFileSync(join(FOLDER, name, file), 'utf8')]));
}

/** Reads a story and lets it come to its end; `order` turns the order in which objects are decided. */
export function story(name: string, order: 'oldest-first' | 'youngest-first' = 'oldest-first'): Story {
  try {
    const input = storyInputSchema.parse(parse(readFileSync(join(FOLDER, name, 'input.yaml'), 'utf8')));
    const cluster = settled(clusterOf(input), order);
    return { name, input, cluster, nodes: nodesOf(cluster) };
  } catch (error) {
    throw new Error(`story ${name}`, { cause: error });
  }
}

/** The story's golden files, by file name. */
export function render({ cluster, nodes }: Story): Readonly<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const [node, { plan, table }] of nodes) {
    files[`${node}.wg`] = renderDevices(plan, table);
    files[`${node}.nft`] = renderRuleset(plan.ruleset);
    files[`${node}.routes`] = plan.routes
      .map(({ destination, device }) => `${destination} dev ${device} proto ${ROUTE_PROTOCOL}\n`)
      .join('');
  }
  return { ...files, 'status.yaml': renderStatuses(cluster) };
}

/** All golden files of all stories, for the command that writes generated files. */
export function storyGenerators(): readonly { readonly path: string; render(): string }[] {
  return storyNames().flatMap((name) => {
    const files = render(story(name));
    return Object.entries(files).map(([file, text]) => ({ path: `${STORIES}/${name}/${file}`, render: () => text }));
  });
}

function nodesOf(cluster: Cluster): ReadonlyMap<string, StoryNode> {
  const nodes = new Map<string, StoryNode>();
  for (const gateway of cluster.gateways.values()) {
    const served = gateway.metadata.deletionTimestamp === undefined ? topology(gateway) : undefined;
    if (served === undefined) continue;
    const table = peerTable(gateway.metadata.name, cluster.peers.values(), cluster.now);
    for (const node of servingNodes(gateway, cluster.nodes)) {
      const facts = cluster.facts.get(node);
      if (facts === undefined) continue;
      const other = nodes.get(node);
      if (other !== undefined) throw new Error(`${node} serves both ${other.gateway} and ${gateway.metadata.name}`);
      const open = grantedOn(cluster, served, table);
      const moved = movedTo(served, cluster);
      const plan = planNode(served, { facts, peers: table.wanted, granted: open, other: { moved } });
      nodes.set(node, { gateway: gateway.metadata.name, table, plan });
    }
  }
  return nodes;
}

function grantedOn(cluster: Cluster, served: Topology, table: PeerTable): Granted {
  const accesses = [...cluster.accesses.values()];
  return granted(accessGateway(served), accessMembers(table), { accesses, world: worldOf(cluster), now: cluster.now });
}

/** Whose packets came by the newer of two keys. */
function movedTo({ gateway, publicKey, other }: Topology, { peers }: Cluster): readonly Cidr[] {
  const newer = other?.state === 'Former' ? publicKey : other?.publicKey;
  const { name } = gateway.metadata;
  const hasMoved = ({ status }: MeshPeer) =>
    status?.gatewayKeys?.some((key) => key.gateway === name && key.publicKey === newer) === true;
  const moved = [...peers.values()].filter(hasMoved);
  return moved.flatMap(({ status }) => addressesIn(status?.addresses ?? []).map(hostCidr));
}

/** In the manner of `wg showconf`; what `wg` does not know stands in comments. */
function renderDevices({ device, other }: NodePlan, table: PeerTable): string {
  return [device, other].flatMap((one) => (one === undefined ? [] : renderDevice(one, table))).join('\n');
}

function renderDevice(device: WantedDevice, table: PeerTable): string {
  const head = [
    `# interface ${device.name}, WireGuard: ${device.dataplane}`,
    `# addresses: ${device.addresses.join(', ')}`,
    `# mtu: ${device.mtu}`,
    `# public key: ${device.publicKey}`,
    '[Interface]',
    `ListenPort = ${device.listenPort}`,
  ];
  const peers = [...device.peers.values()].map(({ publicKey, allowedIPs, presharedKey }) => {
    const owner = table.memberWith(publicKey)?.peer.metadata;
    return [
      '',
      `# ${owner === undefined ? '' : keyOf(owner)}`,
      '[Peer]',
      `PublicKey = ${publicKey}`,
      `AllowedIPs = ${allowedIPs.join(', ')}`,
      ...(presharedKey === undefined ? [] : [`# PresharedKey: version ${presharedKey.file}`]),
    ];
  });
  return [...head, ...peers.sort((one, other) => ((one[1] ?? '') < (other[1] ?? '') ? -1 : 1)).flat(), ''].join('\n');
}

function renderStatuses({ gateways, peers, accesses }: Cluster): string {
  const statuses = [...gateways.values(), ...peers.values(), ...accesses.values()].map(({ kind, metadata, status }) => [
    `${kind} ${keyOf(metadata)}`,
    status,
  ]);
  return stringify(Object.fromEntries(statuses), { lineWidth: 0, aliasDuplicateObjects: false });
}
