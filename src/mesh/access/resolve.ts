import type { Namespace, Service } from '../../api/core.ts';
import type { MeshAccess, MeshAccessSpec } from '../../api/meshaccess.ts';
import type { MeshPeer } from '../../api/meshpeer.ts';
import { addressesIn, type IpAddress } from '../../net/address.ts';
import { selectorMatches } from '../selectors.ts';

/** What grants are resolved in: the cluster's objects, by namespace, so that one grant costs what it is about. */
export interface AccessWorld {
  readonly namespaces: Iterable<string>;
  namespace(name: string): Namespace | undefined;
  peersIn(namespace: string): Iterable<MeshPeer>;
  servicesIn(namespace: string): Iterable<Service>;
}

/** Grants open what rules can tell apart by port; what else a Service may speak stays shut. */
export type Layer4 = 'tcp' | 'udp';

/** One port of a Service at its cluster IPs. */
export interface Destination {
  readonly service: Service;
  readonly addresses: readonly IpAddress[];
  readonly protocol: Layer4;
  readonly port: number;
  readonly name: string | undefined;
}

/** What a grant is about now, whether or not it holds and whether or not its devices are let in. */
export interface Resolved {
  readonly access: MeshAccess;
  readonly peers: readonly MeshPeer[];
  readonly destinations: readonly Destination[];
  /** Services that the grant means and that have no cluster IP to open. */
  readonly withoutClusterIp: readonly Service[];
  /** Of each entry of `spec.to`: the Services that it means. */
  readonly meant: readonly (readonly Service[])[];
  /** Of each entry of `spec.to`: whether it opens anything. */
  readonly opens: readonly boolean[];
}

/** Resolves one grant among the objects of the cluster. */
export function resolveAccess(access: MeshAccess, world: AccessWorld): Resolved {
  const { namespace = '' } = access.metadata;
  const services = [...world.servicesIn(namespace)];
  const entries = access.spec.to.map((entry) => {
    const meant = services.filter((service) => isMeant(entry, service));
    return { meant, destinations: meant.flatMap((service) => destinationsOf(entry, service)) };
  });
  return {
    access,
    peers: peersOf(access, world),
    destinations: distinct(entries.flatMap(({ destinations }) => destinations)),
    withoutClusterIp: [...new Set(entries.flatMap(({ meant }) => meant))].filter(
      (service) => clusterIpsOf(service).length === 0,
    ),
    meant: entries.map(({ meant }) => meant),
    opens: entries.map(({ destinations }) => destinations.length > 0),
  };
}

/** The cluster IPs of a Service; none of a headless one and of a name for something elsewhere. */
export function clusterIpsOf({ spec }: Service): readonly IpAddress[] {
  return spec.type === 'ExternalName' ? [] : addressesIn(spec.clusterIPs);
}

type FromEntry = MeshAccessSpec['from'][number];
type ToEntry = MeshAccessSpec['to'][number];

function peersOf({ metadata, spec }: MeshAccess, world: AccessWorld): readonly MeshPeer[] {
  const found = new Set<MeshPeer>();
  for (const entry of spec.from)
    for (const namespace of namespacesOf(entry, metadata.namespace ?? '', world))
      for (const peer of world.peersIn(namespace)) if (isFrom(entry, peer)) found.add(peer);
  return [...found];
}

function namespacesOf({ namespaces }: FromEntry, own: string, world: AccessWorld): Iterable<string> {
  if (namespaces === undefined) return [own];
  const { names, selector } = namespaces;
  if (names !== undefined) return names;
  if (selector === undefined) return [];
  return [...world.namespaces].filter((name) => {
    const namespace = world.namespace(name);
    return namespace !== undefined && selectorMatches(selector, namespace.metadata.labels ?? {});
  });
}

function isFrom({ names, selector, owners }: FromEntry, { metadata, spec }: MeshPeer): boolean {
  if (names?.includes(metadata.name) === false) return false;
  if (selector !== undefined && !selectorMatches(selector, metadata.labels ?? {})) return false;
  return owners === undefined || (spec.owner !== undefined && owners.includes(spec.owner));
}

function isMeant({ names, selector }: ToEntry, { metadata }: Service): boolean {
  if (names?.includes(metadata.name) === false) return false;
  return selector === undefined || selectorMatches(selector, metadata.labels ?? {});
}

function destinationsOf({ ports }: ToEntry, service: Service): readonly Destination[] {
  const addresses = clusterIpsOf(service);
  if (addresses.length === 0) return [];
  return service.spec.ports.flatMap(({ name, port, protocol }) => {
    const layer4 = protocol === 'TCP' ? 'tcp' : protocol === 'UDP' ? 'udp' : undefined;
    if (layer4 === undefined) return [];
    if (ports?.some((wish) => (wish.name === undefined ? wish.number === port : wish.name === name)) === false)
      return [];
    return { service, addresses, protocol: layer4, port, name };
  });
}

function distinct(destinations: readonly Destination[]): readonly Destination[] {
  const known = new Map<string, Destination>();
  for (const destination of destinations) {
    const { service, protocol, port } = destination;
    known.set(`${service.metadata.name} ${protocol} ${port}`, destination);
  }
  return [...known.values()];
}
