import { findCondition, isTrue, type Reason } from '../api/conditions.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { addressesIn, type IpAddress, parseAddress } from '../net/address.ts';
import { gatewayAddress, MAX_GATEWAYS } from '../net/allocate.ts';
import { type Cidr, cidrContains, cidrsIn, cidrsOverlap } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import type { Parsed } from '../net/parsed.ts';
import { olderFirst } from './age.ts';
import type { Publication } from './dns-names.ts';
import { hostEndpoints } from './endpoints.ts';
import type { EndpointProblem, FoundEndpoint } from './found-endpoint.ts';
import type { KeyJudgement } from './gateway-keys.ts';
import { servingNodes } from './selectors.ts';
import type { FoundServiceCidr } from './service-cidrs.ts';
import { type MeshView, some } from './view.ts';

/** What the operator gathered for one gateway from outside the mesh's own objects. */
export interface GatewayFindings {
  readonly serviceCidrs: readonly FoundServiceCidr[];
  readonly endpoints: readonly FoundEndpoint[];
  /** What should be a way in and is none. */
  readonly endpointProblems: readonly EndpointProblem[];
  /** For a DNSEndpoint, where one is asked for. */
  readonly publication?: Publication | undefined;
  readonly dnsServers: readonly IpAddress[];
  /** The public half of the key in the gateway's Secret, or what is wrong with the Secret. */
  readonly key: Parsed<PublicKey>;
  /** What is decided about the gateway's keys; undefined while it has none. */
  readonly keys?: KeyJudgement | undefined;
  readonly peers: { readonly accepted: number; readonly connected: number };
}

/** Why a gateway is not served: a reason for programs and a sentence with the remedy for people. */
export interface GatewayViolation {
  readonly reason: Reason<'MeshGateway', 'Accepted'>;
  readonly message: string;
}

type Check = (view: MeshView, gateway: MeshGateway, findings: GatewayFindings) => string | undefined;

/** Every reason not to serve a gateway, as a proposition about it; the first that holds is told. */
const CHECKS: readonly (readonly [GatewayViolation['reason'], Check])[] = [
  ['InvalidEndpoint', endpointIsMalformed],
  ['NodesTaken', nodesAreTaken],
  ['PoolOverlap', poolOverlapsCluster],
  ['AdvertiseOverlap', advertisedRangeIsUnroutable],
  ['ServiceCIDRUnknown', serviceCidrIsUnknown],
  ['AddressesExhausted', addressesAreExhausted],
  ['InvalidKey', keyIsInvalid],
];

/** The first thing that is wrong with a gateway, or undefined when it can be served. */
export function gatewayViolation(
  view: MeshView,
  gateway: MeshGateway,
  findings: GatewayFindings,
): GatewayViolation | undefined {
  for (const [reason, check] of CHECKS) {
    const message = check(view, gateway, findings);
    if (message !== undefined) return { reason, message };
  }
  return undefined;
}

/** The gateway's own mesh addresses: those it holds, unless an older gateway holds them too, else the first free ones. */
export function ownGatewayAddresses(view: MeshView, gateway: MeshGateway): readonly IpAddress[] {
  const others = view.gateways.filter((other) => other.metadata.name !== gateway.metadata.name);
  const heldBy = (gateways: readonly MeshGateway[]) =>
    new Set(gateways.flatMap(({ status }) => addressesIn(status?.addresses ?? [])));
  const takenByOlder = heldBy(others.filter((other) => olderFirst(other, gateway) < 0));
  const taken = heldBy(others);
  const held = addressesIn(gateway.status?.addresses ?? []);
  return view.pool.flatMap((pool) => {
    const candidates = Array.from({ length: MAX_GATEWAYS }, (_, index) => gatewayAddress(pool, index));
    const kept = candidates.find((address) => held.includes(address) && !takenByOlder.has(address));
    return kept ?? candidates.find((address) => !taken.has(address)) ?? [];
  });
}

function endpointIsMalformed(_view: MeshView, gateway: MeshGateway): string | undefined {
  const wrong = hostEndpoints(gateway, 1).find((host) => !host.ok);
  return wrong === undefined || wrong.ok ? undefined : `spec.endpoint.hosts: ${wrong.problem}.`;
}

/** Two gateways on one node would need two routes to one pool and, by default, one UDP port. */
function nodesAreTaken(view: MeshView, gateway: MeshGateway): string | undefined {
  const own = new Set(servingNodes(gateway, view.nodes));
  for (const rival of view.gateways) {
    if (!goesFirst(view, rival, gateway)) continue;
    const shared = servingNodes(rival, view.nodes).filter((node) => own.has(node));
    if (shared.length === 0) continue;
    const how = serves(view, rival) ? 'already serves' : 'is older and selects';
    const which = shared.length === 1 ? 'node' : 'nodes';
    return `MeshGateway ${rival.metadata.name} ${how} ${which} ${some(shared)}, and a node serves one gateway; give the two different spec.nodeSelector.`;
  }
  return undefined;
}

/** Whoever serves keeps its nodes; where both or neither do, the older goes first. A refused gateway keeps nothing from others. */
function goesFirst(view: MeshView, rival: MeshGateway, gateway: MeshGateway): boolean {
  if (rival.metadata.name === gateway.metadata.name || rival.metadata.deletionTimestamp !== undefined) return false;
  const rivalServes = serves(view, rival);
  if (rivalServes !== serves(view, gateway)) return rivalServes;
  return (rivalServes || !isRefused(rival)) && olderFirst(rival, gateway) < 0;
}

/** Nodes go on serving a gateway that is refused after it had been accepted, and their reports tell. */
function serves(view: MeshView, { metadata, status }: MeshGateway): boolean {
  return isTrue(status?.conditions ?? [], 'Accepted') || view.nodesOf(metadata.name).length > 0;
}

function isRefused({ metadata, status }: MeshGateway): boolean {
  const accepted = findCondition(status?.conditions ?? [], 'Accepted');
  return accepted?.status === 'False' && accepted.observedGeneration === metadata.generation;
}

function poolOverlapsCluster(
  view: MeshView,
  _gateway: MeshGateway,
  { serviceCidrs }: GatewayFindings,
): string | undefined {
  for (const pool of view.pool) {
    const what = rangeInPool(view, pool, serviceCidrs);
    if (what !== undefined) {
      return `The mesh pool ${pool} overlaps ${what}; choose an unused range as pool.cidrs in the chart's values and upgrade the release.`;
    }
  }
  return undefined;
}

function rangeInPool(view: MeshView, pool: Cidr, serviceCidrs: readonly FoundServiceCidr[]): string | undefined {
  const service = serviceCidrs.find(({ cidr }) => cidrsOverlap(cidr, pool));
  if (service !== undefined) return `the service CIDR ${service.cidr} (${service.source})`;
  for (const node of view.nodes) {
    const pods = cidrsIn(node.spec.podCIDRs ?? []).find((cidr) => cidrsOverlap(cidr, pool));
    if (pods !== undefined) return `the pod CIDR ${pods} of node ${node.metadata.name}`;
    const texts = node.status.addresses.map(({ address }) => address);
    const address = addressesIn(texts).find((candidate) => cidrContains(pool, candidate));
    if (address !== undefined) return `the address ${address} of node ${node.metadata.name}`;
  }
  return undefined;
}

/** A range that holds an endpoint would send the tunnel's own packets into the tunnel. */
function advertisedRangeIsUnroutable(
  view: MeshView,
  gateway: MeshGateway,
  { endpoints, publication }: GatewayFindings,
): string | undefined {
  const dialled = [...endpoints, ...(publication?.targets ?? [])];
  for (const cidr of cidrsIn(gateway.spec.advertise.cidrs)) {
    const pool = view.pool.find((candidate) => cidrsOverlap(candidate, cidr));
    if (pool !== undefined)
      return `spec.advertise.cidrs holds ${cidr}, which overlaps the mesh pool ${pool}; leave it out, or advertise the parts around the pool.`;
    const inside = dialled.find(({ endpoint }) => isEndpointIn(cidr, endpoint));
    if (inside !== undefined) {
      return `spec.advertise.cidrs holds ${cidr}, in which the endpoint ${inside.endpoint} lies, so devices would send the tunnel's own packets into the tunnel; leave that address out of the range, or set spec.endpoint.hosts to an address outside it.`;
    }
  }
  return undefined;
}

function isEndpointIn(cidr: Cidr, endpoint: string): boolean {
  const host = parseAddress(endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, ''));
  return host.ok && cidrContains(cidr, host.value);
}

function serviceCidrIsUnknown(
  _view: MeshView,
  gateway: MeshGateway,
  { serviceCidrs }: GatewayFindings,
): string | undefined {
  if (!gateway.spec.advertise.services.enabled || serviceCidrs.length > 0) return undefined;
  return "The service CIDR could not be detected (no ServiceCIDR objects, no kube-system/kubeadm-config); set spec.advertise.services.cidrs to the value of the API server's --service-cluster-ip-range.";
}

function addressesAreExhausted(view: MeshView, gateway: MeshGateway): string | undefined {
  if (ownGatewayAddresses(view, gateway).length === view.pool.length) return undefined;
  return `The mesh pool has addresses for ${MAX_GATEWAYS} gateways and all are taken; delete a MeshGateway that is no longer used.`;
}

/** Devices tell their gateways apart by key, so a key belongs to one gateway: to the one that has it, else to the older. */
function keyIsInvalid(view: MeshView, gateway: MeshGateway, { key }: GatewayFindings): string | undefined {
  if (!key.ok) return `${key.problem}.`;
  const has = ({ status }: MeshGateway) => status?.publicKey === key.value;
  const owner = view.gateways.find(
    (other) =>
      other.metadata.name !== gateway.metadata.name &&
      other.metadata.deletionTimestamp === undefined &&
      has(other) &&
      (!has(gateway) || olderFirst(other, gateway) < 0),
  );
  if (owner === undefined) return undefined;
  return `The key in this gateway's Secret is that of MeshGateway ${owner.metadata.name}, and devices tell gateways apart by key; delete the Secret to have a new key made.`;
}
