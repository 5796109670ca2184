import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { Condition } from '../../src/api/conditions.ts';
import { type Namespace, type Node, namespaceType, nodeType } from '../../src/api/core.ts';
import {
  type MeshGateway,
  type MeshGatewayStatus,
  type meshGatewaySpecSchema,
  meshGatewayType,
} from '../../src/api/meshgateway.ts';
import { type MeshGatewayNodeStatus, meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import {
  type Connection,
  type MeshPeer,
  type MeshPeerStatus,
  type meshPeerSpecSchema,
  meshPeerType,
} from '../../src/api/meshpeer.ts';
import { gatewayNodeName } from '../../src/api/names.ts';
import { keyOf } from '../../src/api/resource.ts';
import type { LocalFacts } from '../../src/dataplane/local-facts.ts';
import { Claims } from '../../src/mesh/claims.ts';
import type { GatewayFindings } from '../../src/mesh/gateway-checks.ts';
import { OwnerQuota } from '../../src/mesh/owner-quota.ts';
import type { GatewayNode, MeshView, OfferedPresharedKey } from '../../src/mesh/view.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { keyText, type PublicKey } from '../../src/net/key.ts';
import { parsed } from '../../src/net/parsed.ts';

/** The moment at which tests happen unless they say otherwise. */
export const NOW = Date.parse('2026-08-01T12:00:00Z');
export const POOL = '10.213.0.0/16' as Cidr;
export const POOL6 = 'fd5a:11:22::/64' as Cidr;
export const SERVICES = '10.96.0.0/12' as Cidr;

/** A public key that is the same whenever the seed is. */
export function aKey(seed: string): PublicKey {
  const bytes = Uint8Array.from(createHash('sha256').update(seed).digest());
  bytes[31] = (bytes[31] ?? 0) & 127;
  return keyText(bytes) as PublicKey;
}

/** A condition as it is stored. */
export function aCondition(type: string, status: Condition['status'], override: Partial<Condition> = {}): Condition {
  return { type, status, reason: 'Test', message: '', lastTransitionTime: '2026-08-01T00:00:00Z', ...override };
}

interface Named {
  readonly name?: string;
  readonly namespace?: string;
  /** `creationTimestamp`. */
  readonly created?: string;
  readonly metadata?: Partial<MeshPeer['metadata']>;
}

function metadataOf({ name = 'ada', namespace, created = '2026-07-01T00:00:00Z', metadata }: Named) {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    uid: `uid-${namespace ?? ''}-${name}`,
    resourceVersion: '100',
    generation: 1,
    creationTimestamp: created,
    ...metadata,
  };
}

export interface PeerParts extends Named {
  readonly spec?: Partial<z.input<typeof meshPeerSpecSchema>>;
  readonly status?: MeshPeerStatus | undefined;
}

/** A peer that nobody has judged yet, in namespace `team-a`; its key is made from its name. */
export function aPeer(parts: PeerParts = {}): MeshPeer {
  const metadata = metadataOf({ namespace: 'team-a', ...parts });
  const spec = { publicKey: aKey(`${metadata.namespace}/${metadata.name}`), ...parts.spec };
  return meshPeerType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshPeer',
    metadata,
    spec,
    ...(parts.status === undefined ? {} : { status: parts.status }),
  });
}

/** A peer that gateway `default` lets in with one address. `status` is laid over what being let in means. */
export function aMember(parts: PeerParts & { readonly address?: string } = {}): MeshPeer {
  const peer = aPeer(parts);
  return aPeer({
    ...parts,
    status: {
      publicKey: peer.spec.publicKey,
      addresses: [parts.address ?? '10.213.0.20'],
      gateways: ['default'],
      conditions: [aCondition('Accepted', 'True')],
      ...parts.status,
    },
  });
}

export interface GatewayParts extends Named {
  readonly spec?: Partial<z.input<typeof meshGatewaySpecSchema>>;
  readonly status?: MeshGatewayStatus | undefined;
}

/** A gateway that nobody has judged yet, named `default`. */
export function aGateway(parts: GatewayParts = {}): MeshGateway {
  return meshGatewayType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshGateway',
    metadata: metadataOf({ name: 'default', ...parts }),
    spec: parts.spec ?? {},
    ...(parts.status === undefined ? {} : { status: parts.status }),
  });
}

/** A gateway that the operator has accepted. `status` is laid over what that means. */
export function aServedGateway(parts: GatewayParts = {}): MeshGateway {
  const name = parts.name ?? 'default';
  const status: MeshGatewayStatus = {
    observedGeneration: 1,
    publicKey: aKey(`gateway ${name}`),
    addresses: ['10.213.0.1'],
    pool: [POOL],
    endpoints: [{ endpoint: `${name}.example.com:51840`, source: 'Host' }],
    serviceCIDRs: [{ cidr: SERVICES, source: 'ServiceCIDR kubernetes' }],
    conditions: [aCondition('Accepted', 'True')],
    ...parts.status,
  };
  return aGateway({ ...parts, status });
}

interface NodeParts {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly taints?: Node['spec']['taints'];
  readonly podCIDRs?: readonly string[];
  readonly addresses?: Node['status']['addresses'];
}

/** A Linux node with one internal address. */
export function aNode(name = 'node-a', parts: NodeParts = {}): Node {
  const { labels, annotations, taints, podCIDRs, addresses = [{ type: 'InternalIP', address: '192.0.2.10' }] } = parts;
  return nodeType.parse({
    metadata: { name, uid: `uid-${name}`, labels: { 'kubernetes.io/os': 'linux', ...labels }, annotations },
    spec: { ...(taints === undefined ? {} : { taints }), ...(podCIDRs === undefined ? {} : { podCIDRs }) },
    status: { addresses },
  });
}

export function aNamespace(name = 'team-a', labels: Readonly<Record<string, string>> = {}): Namespace {
  return namespaceType.parse({ metadata: { name, labels: { 'kubernetes.io/metadata.name': name, ...labels } } });
}

interface ReportParts {
  readonly gateway?: string;
  readonly node?: string;
  readonly alive?: boolean;
  readonly status?: MeshGatewayNodeStatus;
}

const WELL = ['Programmed', 'ServicesReachable', 'ConnectionTracking', 'GrantsOpened'];

/** The report of a node that lives, holds everything and reaches Services. `status` is laid over that. */
export function aReport({ gateway = 'default', node = 'node-a', alive = true, status }: ReportParts = {}): GatewayNode {
  const report = meshGatewayNodeType.parse({
    apiVersion: 'sallyport.dev/v1alpha1',
    kind: 'MeshGatewayNode',
    metadata: { name: gatewayNodeName(gateway, node), namespace: 'sallyport-system' },
    spec: { gateway, node },
    status: {
      dataplane: 'Kernel',
      mtu: 1420,
      proxyMode: 'nftables',
      appliedResourceVersion: '1000',
      conditions: WELL.map((type) => aCondition(type, 'True')),
      ...status,
    },
  });
  return { report, alive };
}

export function aConnection(parts: Partial<Connection> = {}): Connection {
  return {
    gateway: 'default',
    node: 'node-a',
    endpoint: '198.51.100.7:40000',
    lastHandshake: '2026-08-01T11:59:00Z',
    since: '2026-08-01T09:00:00Z',
    ...parts,
  };
}

export interface ViewParts {
  readonly pool?: readonly Cidr[];
  readonly gateways?: readonly MeshGateway[];
  readonly nodes?: readonly Node[];
  readonly namespaces?: readonly Namespace[];
  readonly reports?: readonly GatewayNode[];
  /** Known to the claims. */
  readonly peers?: readonly MeshPeer[];
  readonly connections?: Readonly<Record<string, readonly Connection[]>>;
  /** As many as have connections unless told otherwise. */
  readonly connectedPeers?: number;
  readonly acceptedAt?: Readonly<Record<string, bigint>>;
  /** By the name of their Secret. */
  readonly presharedKeys?: Readonly<Record<string, OfferedPresharedKey>>;
  /** Any number unless told otherwise. */
  readonly peersPerOwner?: number;
  /** How many peers have one, at each gateway. */
  readonly presharedKeyCount?: number;
}

/** A view of a cluster with a served gateway `default`, one node that serves it, and namespace `team-a`. */
export function aView(parts: ViewParts = {}): MeshView {
  const {
    gateways = [aServedGateway()],
    nodes = [aNode()],
    namespaces = [aNamespace()],
    reports = [aReport()],
  } = parts;
  const claims = new Claims();
  const ownerQuota = new OwnerQuota(parts.peersPerOwner);
  for (const peer of parts.peers ?? []) {
    claims.set(keyOf(peer.metadata), peer);
    ownerQuota.set(keyOf(peer.metadata), peer);
  }
  return {
    pool: parts.pool ?? [POOL],
    gateways,
    nodes,
    claims,
    ownerQuota,
    presharedKeys: {
      namespace: 'sallyport-system',
      offered: (secret) => parts.presharedKeys?.[secret],
      countAt: () => parts.presharedKeyCount ?? 0,
    },
    namespace: (name) => namespaces.find(({ metadata }) => metadata.name === name),
    nodesOf: (gateway) => reports.filter(({ report }) => report.spec.gateway === gateway),
    connectionsOf: (peer) => parts.connections?.[peer] ?? [],
    connectedPeers: parts.connectedPeers ?? Object.keys(parts.connections ?? {}).length,
    acceptedAt: (peer) => parts.acceptedAt?.[peer],
  };
}

/** What the operator gathers for a gateway of a healthy cluster. */
export function someFindings(parts: Partial<GatewayFindings> = {}): GatewayFindings {
  return {
    serviceCidrs: [{ cidr: SERVICES, source: 'ServiceCIDR kubernetes' }],
    endpoints: [{ endpoint: 'default.example.com:51840' as Endpoint, source: 'Host' }],
    endpointProblems: [],
    dnsServers: [],
    key: parsed(aKey('gateway default')),
    peers: { accepted: 0, connected: 0 },
    ...parts,
  };
}

/** A node with an Ethernet behind it. */
export function someFacts(parts: Partial<LocalFacts> = {}): LocalFacts {
  return { node: 'node-a', underlayMtu: 1500, proxyMode: 'nftables', ipv6: true, ...parts };
}
