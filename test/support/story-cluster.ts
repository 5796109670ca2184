import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { clusterMeshAccessType } from '../../src/api/clustermeshaccess.ts';
import { isTrue } from '../../src/api/conditions.ts';
import {
  type ConfigMap,
  configMapType,
  type Namespace,
  type Node,
  namespaceType,
  nodeType,
  type Secret,
  type Service,
  type ServiceCIDR,
  secretType,
  serviceCidrType,
  serviceType,
} from '../../src/api/core.ts';
import { type DNSEndpoint, dnsEndpointType } from '../../src/api/dns-endpoint.ts';
import { meshAccessType } from '../../src/api/meshaccess.ts';
import { type MeshGateway, meshGatewayType } from '../../src/api/meshgateway.ts';
import { type MeshGatewayNode, meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import { childName, PRESHARED_KEY_TYPE } from '../../src/api/names.ts';
import { type KubernetesObject, keyOf, type ObjectKey } from '../../src/api/resource.ts';
import type { LocalFacts } from '../../src/dataplane/local-facts.ts';
import { Cache } from '../../src/k8s/store.ts';
import type { AccessWorld, AnyAccess } from '../../src/mesh/access/resolve.ts';
import { judgeAccess } from '../../src/mesh/access/status.ts';
import { accessWorld } from '../../src/mesh/access/world.ts';
import { olderFirst } from '../../src/mesh/age.ts';
import { Claims } from '../../src/mesh/claims.ts';
import { Connections } from '../../src/mesh/connections.ts';
import { findEndpoints } from '../../src/mesh/endpoints.ts';
import type { GatewayFindings } from '../../src/mesh/gateway-checks.ts';
import { type HeldKeys, judgeKeys } from '../../src/mesh/gateway-keys.ts';
import { judgeGateway } from '../../src/mesh/gateway-status.ts';
import { otherSlot } from '../../src/mesh/key-slots.ts';
import { lingers } from '../../src/mesh/lingering.ts';
import { OwnerQuota } from '../../src/mesh/owner-quota.ts';
import { judgePeer } from '../../src/mesh/peer-status.ts';
import { servingNodes } from '../../src/mesh/selectors.ts';
import { findServiceCidrs } from '../../src/mesh/service-cidrs.ts';
import { topology } from '../../src/mesh/topology.ts';
import type { MeshView } from '../../src/mesh/view.ts';
import { addressesIn } from '../../src/net/address.ts';
import { type Cidr, cidrsIn } from '../../src/net/cidr.ts';
import { parsed, refused } from '../../src/net/parsed.ts';
import { OfferedKeys } from '../../src/operator/offered-keys.ts';
import { aKey, aReport, POOL, someFacts } from './builders.ts';

const TYPES = {
  MeshGateway: meshGatewayType,
  MeshPeer: meshPeerType,
  MeshAccess: meshAccessType,
  ClusterMeshAccess: clusterMeshAccessType,
  MeshGatewayNode: meshGatewayNodeType,
  Namespace: namespaceType,
  ServiceCIDR: serviceCidrType,
  ConfigMap: configMapType,
  Service: serviceType,
  DNSEndpoint: dnsEndpointType,
  Node: nodeType,
  Secret: secretType,
} as const;
type Kind = keyof typeof TYPES;

const resourceSchema = z.looseObject({
  kind: z.enum(Object.keys(TYPES) as [Kind, ...Kind[]]),
  metadata: z.looseObject({ name: z.string() }),
  spec: z.record(z.string(), z.unknown()).optional(),
});

/** `input.yaml`. Resources are listed oldest first and get what the API server would add; kube-system's DNS Service is `kube-dns`. */
export const storyInputSchema = z.strictObject({
  /** What this story is about, in a sentence. */
  description: z.string(),
  now: z.string().default('2026-08-01T12:00:00Z'),
  pool: z.array(z.string()).default([POOL]),
  /** What is wrong with the Secret of a gateway, by the gateway's name. */
  brokenSecrets: z.record(z.string(), z.string()).default({}),
  /** What becomes of a gateway's keys: which key its Secret holds now (null: there is none), and which ones it had so far. */
  keys: z
    .record(
      z.string(),
      z.strictObject({
        secret: z.string().nullable(),
        current: z.string(),
        slot: z.union([z.literal(1), z.literal(2)]).default(1),
        next: z.string().optional(),
        former: z.strictObject({ key: z.string(), since: z.string() }).optional(),
      }),
    )
    .default({}),
  /** What differs between nodes; a node without an entry has no agent. */
  facts: z.record(z.string(), z.custom<Partial<LocalFacts>>()),
  resources: z.array(resourceSchema),
});
export type StoryInput = z.infer<typeof storyInputSchema>;

/** A cluster in memory, with the statuses that were given so far. */
export interface Cluster {
  readonly now: number;
  readonly pool: readonly Cidr[];
  readonly brokenSecrets: Readonly<Record<string, string>>;
  readonly keys: StoryInput['keys'];
  readonly facts: ReadonlyMap<string, LocalFacts>;
  readonly nodes: readonly Node[];
  readonly namespaces: ReadonlyMap<string, Namespace>;
  readonly services: readonly Service[];
  readonly dnsEndpoints: readonly DNSEndpoint[];
  readonly serviceCidrs: readonly ServiceCIDR[];
  readonly configMaps: readonly ConfigMap[];
  readonly secrets: readonly Secret[];
  /** Reports that the story tells itself; the other agents report that all is well. */
  readonly reports: readonly MeshGatewayNode[];
  readonly gateways: ReadonlyMap<ObjectKey, MeshGateway>;
  readonly peers: ReadonlyMap<ObjectKey, MeshPeer>;
  readonly accesses: ReadonlyMap<ObjectKey, AnyAccess>;
}

/** The cluster at the story's beginning. */
export function clusterOf(input: StoryInput): Cluster {
  const objects = input.resources.map((raw, index) => complete(raw, index));
  const of = <K extends Kind>(kind: K) =>
    objects
      .filter((raw) => raw.kind === kind)
      .map((raw) => TYPES[kind].parse(raw) as ReturnType<(typeof TYPES)[K]['parse']>);
  return {
    now: Date.parse(input.now),
    pool: cidrsIn(input.pool),
    brokenSecrets: input.brokenSecrets,
    keys: input.keys,
    facts: new Map(Object.entries(input.facts).map(([node, facts]) => [node, someFacts({ node, ...facts })])),
    nodes: of('Node'),
    namespaces: new Map(of('Namespace').map((namespace) => [namespace.metadata.name, namespace])),
    services: of('Service'),
    dnsEndpoints: of('DNSEndpoint'),
    serviceCidrs: of('ServiceCIDR'),
    configMaps: of('ConfigMap'),
    secrets: of('Secret'),
    reports: of('MeshGatewayNode'),
    gateways: byKey(of('MeshGateway')),
    peers: byKey(of('MeshPeer')),
    accesses: byKey<AnyAccess>([...of('MeshAccess'), ...of('ClusterMeshAccess')]),
  };
}

/** What the API server adds; a node is one of Linux unless it says otherwise. */
function complete(raw: StoryInput['resources'][number], index: number) {
  const labels = { ...(raw.kind === 'Node' ? { 'kubernetes.io/os': 'linux' } : {}), ...(raw.metadata.labels ?? {}) };
  const added = {
    uid: `uid-${index}`,
    resourceVersion: '1',
    generation: 1,
    creationTimestamp: new Date(Date.UTC(2026, 6, 1, 0, index)).toISOString().replace('.000', ''),
  };
  return { apiVersion: '', ...raw, metadata: { ...added, ...raw.metadata, labels } };
}

function byKey<T extends KubernetesObject>(objects: readonly T[]): ReadonlyMap<ObjectKey, T> {
  return new Map(objects.map((object) => [keyOf(object.metadata), object]));
}

/**
 * The cluster once nothing changes any more: everything is decided again and again, each decision counting for the next, as an
 * operator and its agents do. @throws {Error} when it does not come to rest.
 */
export function settled(start: Cluster, order: 'oldest-first' | 'youngest-first'): Cluster {
  const claims = new Claims();
  for (const [key, peer] of start.peers) claims.set(key, peer);
  let cluster = start;
  for (let round = 0; round < 20; round++) {
    const before = cluster;
    for (const key of inOrder(cluster.gateways, order)) cluster = withGateway(cluster, key, claims);
    for (const key of inOrder(cluster.peers, order)) cluster = withPeer(cluster, key, claims);
    for (const key of inOrder(cluster.accesses, order)) cluster = withAccess(cluster, key);
    if (isDeepStrictEqual(before, cluster)) return cluster;
  }
  throw new Error('the story does not come to rest');
}

function inOrder<T extends KubernetesObject>(objects: ReadonlyMap<ObjectKey, T>, order: string): readonly ObjectKey[] {
  const sorted = [...objects.values()].sort(olderFirst).map(({ metadata }) => keyOf(metadata));
  return order === 'oldest-first' ? sorted : sorted.reverse();
}

function withGateway(cluster: Cluster, key: ObjectKey, claims: Claims): Cluster {
  const gateway = cluster.gateways.get(key);
  if (gateway === undefined || gateway.metadata.deletionTimestamp !== undefined) return cluster;
  const status = judgeGateway(viewOf(cluster, claims), gateway, findingsOf(cluster, gateway), cluster.now);
  return { ...cluster, gateways: new Map(cluster.gateways).set(key, meshGatewayType.parse({ ...gateway, status })) };
}

function withPeer(cluster: Cluster, key: ObjectKey, claims: Claims): Cluster {
  const peer = cluster.peers.get(key);
  if (peer === undefined || peer.metadata.deletionTimestamp !== undefined) return cluster;
  const { status, grant } = judgePeer(viewOf(cluster, claims), peer, cluster.now);
  if (grant === undefined) claims.withdraw(key);
  else claims.grant(key, grant);
  const after = meshPeerType.parse({ ...peer, status });
  claims.set(key, after);
  return { ...cluster, peers: new Map(cluster.peers).set(key, after) };
}

function withAccess(cluster: Cluster, key: ObjectKey): Cluster {
  const access = cluster.accesses.get(key);
  if (access === undefined || access.metadata.deletionTimestamp !== undefined) return cluster;
  const gateways = [...cluster.gateways.values()].sort(olderFirst);
  const { status } = judgeAccess(access, { gateways, world: worldOf(cluster), now: cluster.now });
  return { ...cluster, accesses: new Map(cluster.accesses).set(key, { ...access, status }) };
}

/** What grants are resolved in. */
export function worldOf({ namespaces, peers, services }: Cluster): AccessWorld {
  return accessWorld({ namespaces: namespaces.values(), peers: peers.values(), services });
}

function viewOf(cluster: Cluster, claims: Claims): MeshView {
  const connections = new Connections();
  for (const report of cluster.reports) connections.set(keyOf(report.metadata), report);
  return {
    pool: cluster.pool,
    gateways: [...cluster.gateways.values()].sort(olderFirst),
    nodes: cluster.nodes,
    claims,
    presharedKeys: presharedKeysOf(cluster),
    ownerQuota: new OwnerQuota(),
    namespace: (name) => cluster.namespaces.get(name),
    nodesOf: (gateway) => reportsOn(cluster, gateway),
    connectionsOf: (peer) => connections.of(peer),
    connectedPeers: connections.size,
    // Agents that report have followed everything: version 1000 of the builder's report.
    acceptedAt: () => 1000n,
  };
}

function presharedKeysOf(cluster: Cluster): OfferedKeys {
  const secrets = new Cache<Secret>(() => undefined);
  for (const secret of cluster.secrets) if (secret.type === PRESHARED_KEY_TYPE) secrets.put(secret);
  return new OfferedKeys({ secrets, peers: new Cache<MeshPeer>(() => undefined), namespace: 'sallyport-system' });
}

/** Every node with facts that serves an accepted gateway reports, and says that all is well unless the story says otherwise. */
function reportsOn(cluster: Cluster, name: string) {
  const gateway = cluster.gateways.get(name as ObjectKey);
  if (gateway === undefined || topology(gateway) === undefined) return [];
  return servingNodes(gateway, cluster.nodes).flatMap((node) => {
    const facts = cluster.facts.get(node);
    if (facts === undefined) return [];
    const own = cluster.reports.find(({ spec }) => spec.gateway === name && spec.node === node);
    const { mtu = facts.underlayMtu - 80 } = gateway.spec;
    return aReport({ gateway: name, node, status: { mtu, proxyMode: facts.proxyMode, ...own?.status } });
  });
}

/** Decided once: a story shows one moment. */
function keysOf(cluster: Cluster, gateway: MeshGateway, problem: string | undefined) {
  if (problem !== undefined) return { key: refused(problem) };
  const { name } = gateway.metadata;
  const given = cluster.keys[name];
  const seed = `gateway ${name}`;
  const { secret = seed, current = seed, slot = 1, next, former } = given ?? {};
  const other = otherSlot(slot);
  const held: HeldKeys = {
    current: { publicKey: aKey(current), slot },
    ...(next === undefined ? {} : { other: { publicKey: aKey(next), slot: other, state: 'Next' } }),
    ...(former === undefined
      ? {}
      : { other: { publicKey: aKey(former.key), slot: other, state: 'Former', since: Date.parse(former.since) } }),
  };
  const lingering = [...cluster.peers.values()].filter(
    (peer) => former !== undefined && lingers(peer, name, aKey(former.key)),
  );
  const keys = judgeKeys(
    {
      gateway,
      held,
      supplied: secret === null ? { kind: 'missing' } : { kind: 'key', publicKey: aKey(secret) },
      nodes: reportsOn(cluster, name),
      lingering: lingering.map(({ metadata }) => keyOf(metadata)),
    },
    cluster.now,
  );
  return { key: parsed(keys.held.current.publicKey), keys };
}

function findingsOf(cluster: Cluster, gateway: MeshGateway): GatewayFindings {
  const { name } = gateway.metadata;
  const serving = new Set(servingNodes(gateway, cluster.nodes));
  const problem = cluster.brokenSecrets[name];
  const dns = cluster.services.filter(({ metadata }) => metadata.name === 'kube-dns');
  const explicit = addressesIn(gateway.spec.dns.servers);
  const members = [...cluster.peers.values()].filter(
    ({ status }) => isTrue(status?.conditions ?? [], 'Accepted') && status?.gateways?.includes(name),
  );
  const { endpoints, problems, publication } = findEndpoints(gateway, {
    slot: cluster.keys[name]?.slot ?? 1,
    service: cluster.services.find(({ metadata }) => metadata.name === childName(name)),
    nodes: cluster.nodes.filter(({ metadata }) => serving.has(metadata.name)),
    dns: { kind: 'served', object: cluster.dnsEndpoints.find(({ metadata }) => metadata.name === childName(name)) },
  });
  return {
    serviceCidrs: findServiceCidrs(gateway, {
      serviceCidrs: cluster.serviceCidrs,
      kubeadmConfig: cluster.configMaps.find(({ metadata }) => metadata.name === 'kubeadm-config'),
    }),
    endpoints,
    endpointProblems: problems,
    publication,
    dnsServers: explicit.length > 0 ? explicit : addressesIn(dns.flatMap(({ spec }) => spec.clusterIPs)),
    ...keysOf(cluster, gateway, problem),
    peers: {
      accepted: members.length,
      connected: members.filter(({ status }) => status?.connections?.some(({ gateway }) => gateway === name)).length,
    },
  };
}
