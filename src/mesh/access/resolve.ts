import type { ClusterMeshAccess } from '../../api/clustermeshaccess.ts';
import type { Namespace, Service } from '../../api/core.ts';
import type { MeshAccess } from '../../api/meshaccess.ts';
import type { MeshPeer } from '../../api/meshpeer.ts';
import { keyOf } from '../../api/resource.ts';
import { addressesIn, type IpAddress } from '../../net/address.ts';
import { type Cidr, cidrsIn } from '../../net/cidr.ts';
import { selectorMatches } from '../selectors.ts';

/** A grant of whoever owns a namespace, or of whoever runs the cluster. */
export type AnyAccess = MeshAccess | ClusterMeshAccess;

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

/** A range that gateways may advertise; without a port, all that is spoken there. */
export interface Range {
  readonly cidr: Cidr;
  readonly open: { readonly protocol: Layer4; readonly port: number } | undefined;
}

/** What a grant is about now, whether or not it holds and whether or not its devices are let in. */
export interface Resolved {
  readonly access: AnyAccess;
  readonly peers: readonly MeshPeer[];
  readonly destinations: readonly Destination[];
  readonly ranges: readonly Range[];
  /** Services that the grant means and that have no cluster IP to open. */
  readonly withoutClusterIp: readonly Service[];
  /** Of each entry of `spec.to`. */
  readonly entries: readonly ResolvedEntry[];
}

/** What one entry of `spec.to` means and opens. */
export interface ResolvedEntry {
  readonly meant: readonly Service[];
  readonly destinations: readonly Destination[];
  readonly ranges: readonly Range[];
}

/** Resolves one grant among the objects of the cluster. */
export function resolveAccess(access: AnyAccess, world: AccessWorld): Resolved {
  const entries = toOf(access).map((entry) => resolvedEntry(entry, access.metadata.namespace, world));
  const meant = [...new Set(entries.flatMap((entry) => entry.meant))];
  return {
    access,
    peers: peersOf(access, world),
    destinations: distinct(entries.flatMap(({ destinations }) => destinations)),
    ranges: entries.flatMap(({ ranges }) => ranges),
    withoutClusterIp: meant.filter((service) => clusterIpsOf(service).length === 0),
    entries,
  };
}

/** The cluster IPs of a Service; none of a headless one and of a name for something elsewhere. */
export function clusterIpsOf({ spec }: Service): readonly IpAddress[] {
  return spec.type === 'ExternalName' ? [] : addressesIn(spec.clusterIPs);
}

/** A grant by its kind and name, as `MeshAccess shop/oncall`. */
export function accessName({ kind, metadata }: AnyAccess): string {
  return `${kind} ${keyOf(metadata)}`;
}

type FromEntry = MeshAccess['spec']['from'][number];
type ToEntry = ClusterMeshAccess['spec']['to'][number];

function toOf({ spec }: AnyAccess): readonly ToEntry[] {
  return spec.to;
}

/** `own` is the namespace of the grant; undefined for one of the cluster. */
function resolvedEntry(entry: ToEntry, own: string | undefined, world: AccessWorld): ResolvedEntry {
  if (entry.cidrs !== undefined) return { meant: [], destinations: [], ranges: rangesOf(entry) };
  const meant = [...namespacesOf(entry.namespaces, own, world)].flatMap((namespace) =>
    [...world.servicesIn(namespace)].filter((service) => isMeant(entry, service)),
  );
  return { meant, destinations: meant.flatMap((service) => destinationsOf(entry, service)), ranges: [] };
}

function peersOf({ metadata, spec }: AnyAccess, world: AccessWorld): readonly MeshPeer[] {
  const found = new Set<MeshPeer>();
  for (const entry of spec.from)
    for (const namespace of namespacesOf(entry.namespaces, metadata.namespace, world))
      for (const peer of world.peersIn(namespace)) if (isFrom(entry, peer)) found.add(peer);
  return [...found];
}

/** Left out, the grant's own; a grant of the cluster has none and says which. */
function namespacesOf(wish: FromEntry['namespaces'], own: string | undefined, world: AccessWorld): Iterable<string> {
  if (wish === undefined) return own === undefined ? [] : [own];
  const { names, selector } = wish;
  if (names !== undefined) return new Set(names);
  if (selector === undefined) return [];
  return [...world.namespaces].filter((name) => {
    const namespace = world.namespace(name);
    return namespace !== undefined && selectorMatches(selector, namespace.metadata.labels ?? {});
  });
}

function isFrom({ names, selector, owners, groups }: FromEntry, { metadata, spec }: MeshPeer): boolean {
  if (names?.includes(metadata.name) === false) return false;
  if (selector !== undefined && !selectorMatches(selector, metadata.labels ?? {})) return false;
  if (groups !== undefined && spec.groups?.some((group) => groups.includes(group)) !== true) return false;
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

function rangesOf({ cidrs = [], ports }: ToEntry): readonly Range[] {
  return cidrsIn(cidrs).flatMap((cidr): readonly Range[] => {
    if (ports === undefined) return [{ cidr, open: undefined }];
    return ports.flatMap(({ number }) =>
      number === undefined
        ? []
        : (['tcp', 'udp'] as const).map((protocol) => ({ cidr, open: { protocol, port: number } })),
    );
  });
}

function distinct(destinations: readonly Destination[]): readonly Destination[] {
  const known = new Map<string, Destination>();
  for (const destination of destinations) {
    const { service, protocol, port } = destination;
    known.set(`${keyOf(service.metadata)} ${protocol} ${port}`, destination);
  }
  return [...known.values()];
}
