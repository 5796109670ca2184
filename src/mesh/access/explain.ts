import { findCondition, isTrue } from '../../api/conditions.ts';
import type { Service } from '../../api/core.ts';
import type { MeshGateway } from '../../api/meshgateway.ts';
import type { MeshPeer } from '../../api/meshpeer.ts';
import { keyOf } from '../../api/resource.ts';
import { expiryOf, isRevoked, memberOf } from '../members.ts';
import { peerTable } from '../peer-table.ts';
import { type Topology, topology } from '../topology.ts';
import { some } from '../view.ts';
import { accessOf, hasEnded, isFor, leadsTo } from './access.ts';
import { type AccessWorld, type AnyAccess, accessName, clusterIpsOf, resolveAccess } from './resolve.ts';
import { accessGateway, accessMembers } from './world.ts';

/** Which device, and which port of which Service it asks for. */
export interface AccessQuestion {
  readonly peer: MeshPeer;
  readonly service: Service;
  readonly port: Service['spec']['ports'][number];
}

/** What a question is answered from. */
export interface AccessObjects {
  readonly gateways: readonly MeshGateway[];
  readonly accesses: readonly AnyAccess[];
  readonly world: AccessWorld;
  /** All devices, where what there is no room for is to count; then the rest must be complete too. */
  readonly peers?: readonly MeshPeer[] | undefined;
  readonly now: number;
}

/** Yes or no, through one gateway, and because of which object. */
export interface AccessAnswer {
  readonly gateway: string;
  readonly isAllowed: boolean;
  /** A sentence. */
  readonly because: string;
  /** The objects that decide it, as `MeshAccess shop/oncall`. */
  readonly objects: readonly string[];
}

const DNS_PORT = 53;
/** Nobody knows what the nodes of such a gateway were last told. */
const UNDECIDED =
  'The gateway is not accepted, so nothing new is opened; nodes that served it before go on as they were, less the devices and grants that have ended since. See its conditions.';

/** Whether the device may open a connection there, through each gateway; from the same function that makes the nodes' rules. */
export function explainAccess(question: AccessQuestion, objects: AccessObjects): readonly AccessAnswer[] {
  return objects.gateways
    .filter((gateway) => gateway.metadata.deletionTimestamp === undefined)
    .map((gateway) => ({ gateway: gateway.metadata.name, ...throughGateway(question, gateway, objects) }));
}

type Reasoned = Omit<AccessAnswer, 'gateway'>;

function throughGateway(question: AccessQuestion, gateway: MeshGateway, objects: AccessObjects): Reasoned {
  const { peer, service } = question;
  const own = `MeshGateway ${gateway.metadata.name}`;
  const no = (because: string, ...by: readonly string[]): Reasoned => ({ isAllowed: false, because, objects: by });
  const served = topology(gateway);
  if (served === undefined) return no(UNDECIDED, own);
  if (memberOf(gateway.metadata.name, peer, objects.now) === undefined)
    return no(outside(peer, gateway, objects.now), `MeshPeer ${keyOf(peer.metadata)}`);
  const addresses = clusterIpsOf(service);
  const name = `Service ${keyOf(service.metadata)}`;
  if (addresses.length === 0)
    return no('The Service has no cluster IP (it is headless, or a name for something elsewhere).', name);
  if (!addresses.some((address) => leadsTo(accessGateway(served), address)))
    return no(`The gateway does not lead to ${addresses.join(', ')}; see its status.serviceCIDRs.`, own);
  return ofService(question, served, objects);
}

function ofService(question: AccessQuestion, served: Topology, objects: AccessObjects): Reasoned {
  const { service, port } = question;
  const own = `MeshGateway ${served.gateway.metadata.name}`;
  if (served.gateway.spec.access.default === 'Allow')
    return { isAllowed: true, because: 'The gateway allows every Service by default.', objects: [own] };
  const isDns = clusterIpsOf(service).some((address) => served.dnsServers.includes(address));
  if (isDns && port.port === DNS_PORT && port.protocol !== 'SCTP')
    return { isAllowed: true, because: 'Cluster DNS is open to every device.', objects: [own] };
  const by = grantedBy(question, served, objects);
  if (by.length > 0) {
    const names = by.map(accessName);
    return { isAllowed: true, because: `Granted by ${some(names)}.`, objects: names };
  }
  // Alone, the device would have room.
  const meant =
    objects.peers === undefined ? [] : grantedBy(question, served, { ...objects, peers: undefined }).map(accessName);
  if (meant.length > 0) return { isAllowed: false, because: tooMany(meant, own), objects: [...meant, own] };
  return { isAllowed: false, ...ungranted(question, served, objects) };
}

function tooMany(names: readonly string[], gateway: string): string {
  return `${some(names)} would grant it, but there is no room for all that grants mean, and this is left out; see the condition Resolved of the grant and GrantsOpened of ${gateway}.`;
}

function grantedBy(
  { peer, service, port }: AccessQuestion,
  served: Topology,
  { accesses, world, peers, now }: AccessObjects,
): readonly AnyAccess[] {
  const members = accessMembers(peerTable(served.gateway.metadata.name, peers ?? [peer], now));
  const found = new Set<AnyAccess>();
  for (const grant of accessOf(accessGateway(served), members, { accesses, world, now })) {
    const isIt =
      keyOf(grant.member.peer.metadata) === keyOf(peer.metadata) &&
      keyOf(grant.destination.service.metadata) === keyOf(service.metadata);
    if (isIt && grant.port === port.port && grant.protocol === port.protocol.toLowerCase()) found.add(grant.access);
  }
  return [...found];
}

/** Why the gateway does not let the device in at all. */
function outside(peer: MeshPeer, gateway: MeshGateway, now: number): string {
  if (peer.spec.suspended) return 'The device is suspended (spec.suspended).';
  if (expiryOf(peer) <= now) return `The device has expired (spec.expiresAt ${peer.spec.expiresAt}).`;
  if (isRevoked(peer, now)) return 'The MeshPeer is being deleted.';
  const accepted = findCondition(peer.status?.conditions ?? [], 'Accepted');
  if (!isTrue(peer.status?.conditions ?? [], 'Accepted'))
    return `The device is not let in: ${accepted?.message ?? 'the operator has not decided about it yet.'}`;
  return `The device is not for MeshGateway ${gateway.metadata.name}.`;
}

/** Whom to ask, and what comes near. */
function ungranted(
  { peer, service, port }: AccessQuestion,
  { gateway }: Topology,
  { accesses, world, now }: AccessObjects,
): Pick<Reasoned, 'because' | 'objects'> {
  const { namespace = '' } = service.metadata;
  const near = accesses.flatMap((access) =>
    nearMiss({ peer, service, port }, access, { gateway: gateway.metadata.name, world, now }),
  );
  const ask = `ask the owner of namespace ${namespace}`;
  const but = near.length === 0 ? '' : ` ${near.map(({ text }) => text).join(' ')}`;
  return {
    because: `Denied by policy: no MeshAccess grants it; ${ask}.${but}`,
    objects: [`MeshGateway ${gateway.metadata.name}`, ...near.map(({ object }) => object)],
  };
}

interface Near {
  readonly text: string;
  readonly object: string;
}

/** What keeps a grant that is about this Service, or this device, from opening it. */
function nearMiss(
  { peer, service, port }: AccessQuestion,
  access: AnyAccess,
  { gateway, world, now }: { readonly gateway: string; readonly world: AccessWorld; readonly now: number },
): readonly Near[] {
  const { peers, destinations } = resolveAccess(access, world);
  const object = accessName(access);
  const isForPeer = peers.some(({ metadata }) => keyOf(metadata) === keyOf(peer.metadata));
  const own = destinations.filter((one) => keyOf(one.service.metadata) === keyOf(service.metadata));
  const hasPort = own.some((one) => one.port === port.port && one.protocol === port.protocol.toLowerCase());
  const say = (text: string) => [{ text: `${object} ${text}.`, object }];
  if (own.length === 0) return [];
  if (isForPeer && hasPort && hasEnded(access, now)) return say(`has ended (${access.spec.expiresAt ?? 'deleted'})`);
  if (isForPeer && hasPort && !isFor(access, gateway)) return say('is for other gateways (spec.gateways)');
  if (isForPeer && !hasPort) return say(`opens other ports of it (${own.map((one) => one.port).join(', ')})`);
  return isForPeer ? [] : say('opens it to other devices');
}
