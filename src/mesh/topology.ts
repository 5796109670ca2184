import { isTrue } from '../api/conditions.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { addressesIn, type IpAddress } from '../net/address.ts';
import { type Cidr, cidrsIn, normalizeCidrs } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';

/**
 * What the operator decided about a gateway, as its nodes and its peers' configurations use it. All of it is the same on every
 * node, and a laptop's configuration is made from the same value as a node's plan.
 *
 *   laptop --AllowedIPs: routed + addresses--> any node --serviceCidrs: DNAT, cidrs: forward--> cluster
 */
export interface Topology {
  readonly gateway: MeshGateway;
  readonly publicKey: PublicKey;
  /** The gateway's own mesh addresses, one per family of the pool. */
  readonly addresses: readonly IpAddress[];
  readonly pool: readonly Cidr[];
  /** What peers reach by kube-proxy's translation; empty when Services are not advertised. */
  readonly serviceCidrs: readonly Cidr[];
  /** What peers reach as it is. */
  readonly cidrs: readonly Cidr[];
  /** Resolvers inside the cluster. */
  readonly dnsServers: readonly IpAddress[];
  readonly domain: string;
}

/** The topology of an accepted gateway; undefined until the operator has accepted it, because then there is nothing to serve. */
export function topology(gateway: MeshGateway): Topology | undefined {
  const { spec, status } = gateway;
  if (status?.publicKey === undefined || !isTrue(status.conditions ?? [], 'Accepted')) return undefined;
  const services = spec.advertise.services.enabled ? (status.serviceCIDRs ?? []) : [];
  return {
    gateway,
    publicKey: status.publicKey as PublicKey,
    addresses: addressesIn(status.addresses ?? []),
    pool: cidrsIn(status.pool ?? []),
    serviceCidrs: normalizeCidrs(cidrsIn(services.map(({ cidr }) => cidr))),
    cidrs: normalizeCidrs(cidrsIn(spec.advertise.cidrs)),
    dnsServers: addressesIn(status.dns?.servers ?? []),
    domain: status.dns?.domain ?? spec.dns.domain,
  };
}
