import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { keyOf } from '../api/resource.ts';
import { addressFamily, type IpAddress } from '../net/address.ts';
import { type Cidr, cidrBase, cidrContains, cidrFamily, cidrLength, hostCidr, normalizeCidrs } from '../net/cidr.ts';
import { type Endpoint, parseEndpoint } from '../net/endpoint.ts';
import { type ClientConfiguration, type ClientGateway, EVERYTHING } from './client-configuration.ts';
import { familiesOf } from './node-endpoints.ts';
import type { Topology } from './topology.ts';

/** Where a device is let in. */
export interface Attachment {
  readonly addresses: readonly IpAddress[];
  /** Most preferred first. */
  readonly gateways: readonly Topology[];
}

/** One gateway as this device sees it. */
interface Served {
  readonly topology: Topology;
  readonly client: ClientGateway;
}

/**
 * What a device is configured with, with `mostEndpoints` of each gateway's endpoints. Undefined while the device has no
 * addresses or no gateway has an endpoint; a gateway without one is left out until it has one.
 *
 * AllowedIPs are exclusive per interface: where two gateways advertise one range, the more preferred gateway gets it. Where one
 * range holds the other, WireGuard takes the longest prefix, so only what a preferred gateway has whole is kept from the others.
 */
export function planClient(
  peer: MeshPeer,
  attachment: Attachment,
  mostEndpoints: number,
): ClientConfiguration | undefined {
  const served = servedGateways(attachment, mostEndpoints);
  if (served.length === 0 || attachment.addresses.length === 0) return undefined;
  const mtus = served.flatMap(({ topology }) => topology.gateway.status?.mtu ?? []);
  return {
    peer: keyOf(peer.metadata),
    addresses: attachment.addresses,
    mtu: mtus.length === 0 ? undefined : Math.min(...mtus),
    dns: clientDns(served),
    hasPresharedKey: peer.spec.presharedKeySecretName !== undefined,
    persistentKeepalive: peer.spec.persistentKeepalive,
    gateways: served.map(({ client }) => client),
  };
}

/**
 * The endpoints of a gateway that a device is told: the most preferred ones, and one of each IP family among them where there is one, because a device
 * may be in a network that has one family alone.
 */
export function preferredEndpoints({ status }: MeshGateway, most: number): readonly Endpoint[] {
  const all = (status?.endpoints ?? []).flatMap(({ endpoint }) => {
    const result = parseEndpoint(endpoint);
    return result.ok ? [result.value] : [];
  });
  const first = all.slice(0, most);
  const missing = FAMILIES.find((family) => !first.some((endpoint) => familiesOf(endpoint).includes(family)));
  const other = all.find((endpoint) => missing !== undefined && familiesOf(endpoint).includes(missing));
  return other === undefined ? first : [...first.slice(0, -1), other];
}

const FAMILIES = [4, 6] as const;

function clientDns(served: readonly Served[]): ClientConfiguration['dns'] {
  for (const { topology } of served) {
    const servers = resolvers(topology, served);
    if (servers.length > 0) return { servers, domain: topology.domain };
  }
  return undefined;
}

/** A resolver that was found and that the tunnel does not lead to would leave the device without any name. */
function resolvers({ gateway, dnsServers }: Topology, served: readonly Served[]): readonly IpAddress[] {
  if (!gateway.spec.dns.enabled) return [];
  if (gateway.spec.dns.servers.length > 0) return dnsServers;
  return dnsServers.filter((server) => served.some(({ client }) => isRouted(client.allowedIPs, server)));
}

/** A family in which the device has no address would only lead its packets nowhere. */
function servedGateways({ gateways, addresses }: Attachment, mostEndpoints: number): readonly Served[] {
  const families = new Set(addresses.map(addressFamily));
  const taken: Cidr[] = [];
  const offered: Cidr[] = [];
  return gateways.flatMap((topology) => {
    const endpoints = preferredEndpoints(topology.gateway, mostEndpoints);
    if (endpoints.length === 0) return [];
    const wanted = normalizeCidrs([...topology.addresses.map(hostCidr), ...topology.serviceCidrs, ...topology.cidrs]);
    const allowedIPs = wanted.filter((cidr) => families.has(cidrFamily(cidr)) && !taken.some(isWithin(cidr)));
    if (allowedIPs.length === 0) return [];
    const internet = EVERYTHING.filter(
      (all) => isOffered(topology, all) && families.has(cidrFamily(all)) && !offered.includes(all),
    );
    taken.push(...allowedIPs);
    offered.push(...internet);
    const client = {
      name: topology.gateway.metadata.name,
      publicKey: topology.publicKey,
      addresses: topology.addresses.filter((address) => isRouted(allowedIPs, address)),
      allowedIPs,
      internet,
      deniesByDefault: topology.gateway.spec.access.default === 'Deny',
      endpoints,
    };
    return [{ topology, client }];
  });
}

/** The mesh has addresses of the families in its pool alone. */
function isOffered({ keptFromInternet, pool }: Topology, all: Cidr): boolean {
  return keptFromInternet !== undefined && pool.some((cidr) => cidrFamily(cidr) === cidrFamily(all));
}

function isRouted(cidrs: readonly Cidr[], address: IpAddress): boolean {
  return cidrs.some((cidr) => cidrContains(cidr, address));
}

function isWithin(inner: Cidr): (outer: Cidr) => boolean {
  return (outer) => cidrLength(outer) <= cidrLength(inner) && cidrContains(outer, cidrBase(inner));
}
