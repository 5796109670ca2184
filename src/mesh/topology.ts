import { isTrue } from '../api/conditions.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { addressesIn, type IpAddress } from '../net/address.ts';
import { type Cidr, cidrsIn, normalizeCidrs } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import { keptFromInternet } from './internet.ts';
import { slotOf } from './key-slots.ts';

/**
 * What the operator decided about a gateway, as its nodes and its peers' configurations use it. All of it is the same on every
 * node, and a laptop's configuration is made from the same value as a node's plan. Its own key is the one that devices are told.
 *
 *   laptop --AllowedIPs: routed + addresses--> any node --serviceCidrs: DNAT, cidrs: forward--> cluster
 */
export interface Topology extends ServedKey {
  readonly gateway: MeshGateway;
  /** The gateway's other key while one takes the place of the other. */
  readonly other?: OtherKey | undefined;
  /** The gateway's own mesh addresses, one per family of the pool. */
  readonly addresses: readonly IpAddress[];
  readonly pool: readonly Cidr[];
  /** What peers reach by kube-proxy's translation; empty when Services are not advertised. */
  readonly serviceCidrs: readonly Cidr[];
  /** What peers reach as it is. */
  readonly cidrs: readonly Cidr[];
  /** What peers that may send all their traffic here still do not reach; undefined where none may. */
  readonly keptFromInternet: readonly Cidr[] | undefined;
  /** Resolvers inside the cluster. */
  readonly dnsServers: readonly IpAddress[];
  readonly domain: string;
}

/** The one before the key that devices are told, which holds a while longer; or the next one, which they are not told before every node has it. */
export interface OtherKey extends ServedKey {
  readonly state: 'Former' | 'Next';
  /** Whether it came to the nodes after the one that devices are told: a next key, or one whose predecessor was put back. */
  readonly isNewer: boolean;
}

/** A key of the gateway, and by which port and interface its nodes serve it for as long as it lives. */
export interface ServedKey {
  readonly publicKey: PublicKey;
  readonly listenPort: number;
  readonly device: string;
}

/** The topology of an accepted gateway; undefined until the operator has accepted it, because then there is nothing to serve. */
export function topology(gateway: MeshGateway): Topology | undefined {
  const { spec, status } = gateway;
  if (status?.publicKey === undefined || !isTrue(status.conditions ?? [], 'Accepted')) return undefined;
  const services = spec.advertise.services.enabled ? (status.serviceCIDRs ?? []) : [];
  return {
    gateway,
    ...servedKeys(gateway, status.publicKey as PublicKey),
    addresses: addressesIn(status.addresses ?? []),
    pool: cidrsIn(status.pool ?? []),
    serviceCidrs: normalizeCidrs(cidrsIn(services.map(({ cidr }) => cidr))),
    cidrs: normalizeCidrs(cidrsIn(spec.advertise.cidrs)),
    keptFromInternet: keptFromInternet(gateway),
    dnsServers: addressesIn(status.dns?.servers ?? []),
    domain: status.dns?.domain ?? spec.dns.domain,
  };
}

/** A status that says nothing of slots was written before there were two. */
function servedKeys(gateway: MeshGateway, publicKey: PublicKey): ServedKey & Pick<Topology, 'other'> {
  const keys = gateway.status?.keys ?? [];
  const own = keys.find((key) => key.publicKey === publicKey);
  const other = keys.find((key) => key.publicKey !== publicKey);
  return {
    publicKey,
    ...slotOf(gateway, own?.slot ?? 1),
    ...(other === undefined || other.state === 'Current'
      ? {}
      : {
          other: {
            state: other.state,
            isNewer: other.state === 'Next' || other.newer === true,
            publicKey: other.publicKey as PublicKey,
            ...slotOf(gateway, other.slot),
          },
        }),
  };
}
