import { interfaceName, tableName } from '../api/names.ts';
import type { LocalFacts } from '../dataplane/local-facts.ts';
import type { Names, NodePlan } from '../dataplane/node-plan.ts';
import type { WantedPeer } from '../dataplane/wireguard/device.ts';
import { addressFamily } from '../net/address.ts';
import { probeAddress } from '../net/allocate.ts';
import { type Cidr, cidrFamily, hostCidr } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import { firewall } from './firewall.ts';
import type { Topology } from './topology.ts';

/** WireGuard over IPv6: 40 bytes of IP header, 8 of UDP, 32 of its own; over IPv4 20 remain unused, which is the safe side. */
const TUNNEL_OVERHEAD = 80;

/** What a node's plan depends on besides the topology. */
export interface NodeInput {
  readonly facts: LocalFacts;
  /** The peers to let in, and the node's own probe peer. */
  readonly peers: ReadonlyMap<PublicKey, WantedPeer>;
}

/** The names under which everything of a gateway stands on its nodes. */
export function nodeNames(gateway: string): Names {
  return { device: interfaceName(gateway), table: tableName(gateway) };
}

/** Everything that a gateway makes on one node. Nodes with equal facts and peers get equal plans. */
export function planNode(topology: Topology, { facts, peers }: NodeInput): NodePlan {
  const { gateway } = topology;
  const names = nodeNames(gateway.metadata.name);
  const pool = topology.pool.filter((cidr) => facts.ipv6 || cidrFamily(cidr) === 4);
  const addresses = topology.addresses.filter((address) => facts.ipv6 || addressFamily(address) === 4);
  return {
    device: {
      name: names.device,
      dataplane: gateway.spec.dataplane,
      listenPort: gateway.spec.listenPort,
      mtu: gateway.spec.mtu ?? Math.max(1280, facts.underlayMtu - TUNNEL_OVERHEAD),
      addresses: addresses.map(hostCidr).sort(),
      publicKey: topology.publicKey,
      peers,
    },
    ruleset: firewall({
      ...names,
      gatewayAddresses: addresses,
      pool,
      serviceCidrs: topology.serviceCidrs,
      routedCidrs: topology.cidrs,
      dnsServers: topology.dnsServers,
      accessDefault: gateway.spec.access.default,
      peerToPeer: gateway.spec.access.peerToPeer,
      proxyMode: facts.proxyMode,
      listenPort: gateway.spec.listenPort,
    }),
    routes: pool.map((destination) => ({ destination, device: names.device })),
  };
}

/** The probe peer of a node: a peer like any other, at the pool's reserved address. */
export function probePeer(publicKey: PublicKey, pool: readonly Cidr[]): WantedPeer {
  return { publicKey, allowedIPs: pool.map((cidr) => hostCidr(probeAddress(cidr))).sort() };
}
