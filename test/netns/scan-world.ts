import { clusterMeshAccessType } from '../../src/api/clustermeshaccess.ts';
import { type Service, serviceType } from '../../src/api/core.ts';
import { meshAccessType } from '../../src/api/meshaccess.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import type { LocalFacts } from '../../src/dataplane/local-facts.ts';
import type { NodePlan } from '../../src/dataplane/node-plan.ts';
import { type Granted, granted } from '../../src/mesh/access/access.ts';
import { explainAccess } from '../../src/mesh/access/explain.ts';
import type { AnyAccess } from '../../src/mesh/access/resolve.ts';
import { accessGateway, accessMembers, accessWorld } from '../../src/mesh/access/world.ts';
import { planNode } from '../../src/mesh/node.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import { type Topology, topology } from '../../src/mesh/topology.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { cidrContains } from '../../src/net/cidr.ts';
import { aMember, aNamespace, aServedGateway, NOW } from '../support/builders.ts';
import { type Laptop, SERVICES } from './cluster.ts';
import type { LaptopName, Scanned } from './scan.ts';

/** The objects of a cluster that is scanned. */
export interface ScanWorld {
  readonly gateway: MeshGateway;
  readonly served: Topology;
  readonly peers: Readonly<Record<LaptopName, MeshPeer>>;
  readonly services: readonly Service[];
  readonly accesses: readonly AnyAccess[];
  /** What these grants open to whom. */
  readonly granted: Granted;
}

/** What is not as usual in a cluster that is scanned. */
export interface ScanWishes {
  /** The gateway that the node serves, of the two that the devices may use. */
  readonly name?: string;
  /** Of each device, as the gateway says. */
  readonly newConnectionsPerSecond?: number;
  /** Which gateways have accepted alice; both, as they have bob, unless it is given. */
  readonly aliceIn?: readonly string[];
}

const GATEWAYS = ['default', 'office'];
const POOL = ['10.213.0.0/16', 'fd5a:213::/64'];
const GATEWAY_ADDRESSES = ['10.213.0.1', 'fd5a:213::1'];
/** Of the devices and of the Services of a scan. */
export const NAMESPACES = ['team-a', 'team-b', 'shop'].map((name) => aNamespace(name));
const CONFIGURATION_PORT = '51840';
const KIND = 'sallyport.dev/v1alpha1';
const OVER = new Date(NOW - 1000).toISOString();

/** What team-a (alice) and team-b (bob) were granted, where that counts; some of it leads nowhere. */
const GRANTS: readonly AnyAccess[] = [
  grant('web', { namespaces: { names: ['team-a'] } }, { names: ['10-96-0-20'], ports: [{ number: 80 }] }),
  grant('web-6', { namespaces: { names: ['team-b'] } }, { names: ['fd5a-96--20', 'fd5a-96--1'] }),
  grant('api', { namespaces: { names: ['team-a'] } }, { names: ['10-96-0-1'] }),
  grant('devices', { namespaces: { selector: {} } }, { names: ['10-96-0-30', '10-96-0-31', 'fd5a-96--30'] }),
  grant(
    'over',
    { namespaces: { selector: {} } },
    { names: ['10-96-0-20'], ports: [{ number: 7 }] },
    { expiresAt: OVER },
  ),
  grant('elsewhere', { namespaces: { selector: {} } }, {}, { gateways: ['office'] }),
  clusterMeshAccessType.parse({
    apiVersion: KIND,
    kind: 'ClusterMeshAccess',
    metadata: { name: 'pod' },
    spec: {
      from: [{ namespaces: { names: ['team-b'] } }],
      to: [{ cidrs: ['10.1.0.0/30'], ports: [{ number: 8080 }] }],
    },
  }),
];

/** The objects of this cluster: it advertises its pods where it denies by default, and else Services alone. */
export function scanWorld(
  { gateway, alice, bob }: Scanned,
  accessDefault: 'Allow' | 'Deny',
  { name = 'default', newConnectionsPerSecond = 500, aliceIn = GATEWAYS }: ScanWishes = {},
): ScanWorld {
  const own = aServedGateway({
    name,
    spec: {
      access: { default: accessDefault, newConnectionsPerSecond },
      advertise: { cidrs: accessDefault === 'Deny' ? ['10.1.0.0/24', 'fd5a:1::/64'] : [] },
    },
    status: {
      publicKey: gateway.keys.publicKey,
      addresses: GATEWAY_ADDRESSES,
      pool: POOL,
      serviceCIDRs: ['10.96.0.0/12', 'fd5a:96::/112'].map((cidr) => ({ cidr, source: 'test' })),
      dns: { servers: ['10.96.0.10', 'fd5a:96::a'], domain: 'cluster.local' },
    },
  });
  // Whichever gateway it is, it has the interface that is there.
  const served = topology({ ...own, metadata: { ...own.metadata, name: 'default' } });
  if (served === undefined) throw new Error('the gateway is not served');
  const peer = (name: string, namespace: string, { keys, addresses }: Laptop, gateways: readonly string[]) =>
    aMember({
      name,
      namespace,
      spec: { publicKey: keys.publicKey },
      status: {
        gateways: [...gateways],
        publicKey: keys.publicKey,
        addresses: addresses.map((cidr) => cidr.split('/')[0] ?? ''),
      },
    });
  const objects = {
    gateway: own,
    served,
    peers: { alice: peer('alice', 'team-a', alice, aliceIn), bob: peer('bob', 'team-b', bob, GATEWAYS) },
    services: services(),
    accesses: accessDefault === 'Deny' ? GRANTS : [],
  };
  return { ...objects, granted: grantedIn(objects) };
}

/** What the node is to be, from these objects alone. */
export function scannedPlan(world: ScanWorld, facts: LocalFacts): NodePlan {
  const table = peerTable(world.gateway.metadata.name, Object.values(world.peers), NOW);
  return planNode(world.served, { facts, peers: table.wanted, granted: world.granted });
}

/** Whether the device may reach the target, from these objects alone, by the function that makes the rules too. */
export function isReachable(world: ScanWorld, laptop: LaptopName, target: string): boolean {
  const [kind = '', address = '', port] = target.split(' ');
  if (world.peers[laptop].status?.gateways?.includes(world.gateway.metadata.name) !== true) return false;
  const isGateway = GATEWAY_ADDRESSES.includes(address);
  if (kind === 'ping') return isGateway;
  if (isGateway) return kind === 'tcp' && port === CONFIGURATION_PORT;
  const protocol = kind === 'tcp' ? 'TCP' : 'UDP';
  const service = world.services.find(({ spec }) => spec.clusterIPs.includes(address));
  if (service === undefined) return isInRange(world, laptop, kind, address as IpAddress, Number(port));
  const open = service.spec.ports.find((one) => one.port === Number(port) && one.protocol === protocol);
  if (open === undefined || leadsToDevice(address)) return false;
  const { accesses, gateway, peers } = world;
  const objects = { gateways: [gateway], accesses, world: worldOf(world), now: NOW };
  return explainAccess({ peer: peers[laptop], service, port: open }, objects).some(({ isAllowed }) => isAllowed);
}

/** Other devices are not reached, whoever makes a Service lead to them; nor is the device itself. */
function leadsToDevice(address: string): boolean {
  const endpoint = SERVICES.find(({ clusterIp }) => clusterIp === address)?.endpoint ?? '';
  return endpoint.startsWith('10.213.') || endpoint.startsWith('fd5a:213:');
}

/** Of the ranges, what belongs to the node itself stays shut. */
function isInRange(world: ScanWorld, laptop: LaptopName, kind: string, address: IpAddress, port: number): boolean {
  if (address === '10.1.0.1' || address === 'fd5a:1::1') return false;
  const own = world.peers[laptop].status?.addresses ?? [];
  const protocol = kind === 'tcp' ? 'tcp' : 'udp';
  return world.granted.ranges.some(
    ({ peer, cidr, open }) =>
      own.includes(peer) &&
      cidrContains(cidr, address) &&
      (open === undefined || (open.protocol === protocol && open.port === port)),
  );
}

function grantedIn(world: Omit<ScanWorld, 'granted'>): Granted {
  const { served, accesses, gateway } = world;
  const members = accessMembers(peerTable(gateway.metadata.name, Object.values(world.peers), NOW));
  return granted({ ...accessGateway(served), name: gateway.metadata.name }, members, {
    accesses,
    world: worldOf(world),
    now: NOW,
  });
}

function worldOf({ peers, services: all }: Pick<ScanWorld, 'peers' | 'services'>) {
  return accessWorld({ namespaces: NAMESPACES, peers: Object.values(peers), services: all });
}

/** A Service for each cluster IP that the node proxies, all of one namespace, named after it. */
function services(): readonly Service[] {
  const byAddress = Map.groupBy(SERVICES, ({ clusterIp }) => clusterIp);
  return [...byAddress].map(([clusterIp, ports]) =>
    serviceType.parse({
      metadata: { name: clusterIp.replaceAll(/[.:]/g, '-'), namespace: 'shop' },
      spec: {
        clusterIPs: [clusterIp],
        ports: ports.map(({ port, protocol }) => ({ port, protocol: protocol === 'tcp' ? 'TCP' : 'UDP' })),
      },
    }),
  );
}

function grant(name: string, from: object, to: object, rest: object = {}): AnyAccess {
  const metadata = { name, namespace: 'shop' };
  return meshAccessType.parse({
    apiVersion: KIND,
    kind: 'MeshAccess',
    metadata,
    spec: { from: [from], to: [to], ...rest },
  });
}
