import { interfaceName, otherInterfaceName, tableName } from '../api/names.ts';
import type { LocalFacts } from '../dataplane/local-facts.ts';
import type { Names, NodePlan } from '../dataplane/node-plan.ts';
import type { WantedDevice, WantedPeer } from '../dataplane/wireguard/device.ts';
import { addressFamily, type IpAddress } from '../net/address.ts';
import { probeAddress } from '../net/allocate.ts';
import { type Cidr, cidrFamily, hostCidr } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import { type Granted, NOTHING_GRANTED } from './access/access.ts';
import { firewall } from './firewall.ts';
import { routes } from './routes.ts';
import type { OtherKey, ServedKey, Topology } from './topology.ts';

/** WireGuard over IPv6: 40 bytes of IP header, 8 of UDP, 32 of its own; over IPv4 20 remain unused, which is the safe side. */
const TUNNEL_OVERHEAD = 80;

/** What a node's plan depends on besides the topology. */
export interface NodeInput {
  readonly facts: LocalFacts;
  /** The peers to let in, and the node's own probe peer. */
  readonly peers: ReadonlyMap<PublicKey, WantedPeer>;
  /** What single devices may reach where the gateway denies by default. */
  readonly granted?: Granted | undefined;
  /** Addresses of devices that have as many connections open as they may. */
  readonly full?: Iterable<IpAddress> | undefined;
  /** What of the gateway's other key is known here; without it the node serves one key alone. */
  readonly other?: { readonly moved: Iterable<Cidr> } | undefined;
}

/** The names under which everything of a gateway stands on its nodes; `device` is that of the key which devices are told. */
export function nodeNames(gateway: string, device = interfaceName(gateway)): Names {
  const both = [interfaceName(gateway), otherInterfaceName(gateway)];
  const other = both.find((name) => name !== device) ?? '';
  return { device, other, table: tableName(gateway) };
}

/** Everything that a gateway makes on one node. Nodes with equal facts and peers get equal plans. */
export function planNode(
  topology: Topology,
  { facts, peers, granted = NOTHING_GRANTED, full = [], other }: NodeInput,
): NodePlan {
  const { gateway } = topology;
  const second = other === undefined ? undefined : topology.other;
  const served = [topology, ...(second === undefined ? [] : [second])];
  const pool = topology.pool.filter((cidr) => facts.ipv6 || cidrFamily(cidr) === 4);
  const addresses = topology.addresses.filter((address) => facts.ipv6 || addressFamily(address) === 4);
  const interfaceOf = ({ device, listenPort, publicKey }: ServedKey): WantedDevice => ({
    name: device,
    dataplane: gateway.spec.dataplane,
    listenPort,
    mtu: gateway.spec.mtu ?? Math.max(1280, facts.underlayMtu - TUNNEL_OVERHEAD),
    addresses: addresses.map(hostCidr).sort(),
    publicKey,
    peers,
  });
  return {
    device: interfaceOf(topology),
    ...(second === undefined ? {} : { other: interfaceOf(second) }),
    ruleset: firewall({
      table: tableName(gateway.metadata.name),
      device: topology.device,
      ...(second === undefined ? {} : { second: second.device }),
      gatewayAddresses: addresses,
      pool,
      serviceCidrs: topology.serviceCidrs,
      routedCidrs: topology.cidrs,
      keptFromInternet: topology.keptFromInternet,
      dnsServers: topology.dnsServers,
      accessDefault: gateway.spec.access.default,
      granted,
      peerToPeer: gateway.spec.access.peerToPeer,
      newConnectionsPerSecond: gateway.spec.access.newConnectionsPerSecond,
      full: gateway.spec.access.maxConnections === 0 ? undefined : full,
      audited: gateway.spec.audit.connections,
      proxyMode: facts.proxyMode,
      listenPorts: served.map(({ listenPort }) => listenPort),
      tellsMovedFlows: gateway.spec.takeover.enabled,
    }),
    routes: routes({ pool, ...ages(topology, second), probe: topology.device, moved: other?.moved ?? [] }),
  };
}

/** The interface to which nobody need move, and the one of the newer key. */
export function ages(
  { device }: ServedKey,
  other: OtherKey | undefined,
): { readonly older: string; readonly newer?: string } {
  if (other === undefined) return { older: device };
  return other.isNewer ? { older: device, newer: other.device } : { older: other.device, newer: device };
}

/** The probe peer of a node: a peer like any other, at the pool's reserved address. */
export function probePeer(publicKey: PublicKey, pool: readonly Cidr[]): WantedPeer {
  return { publicKey, allowedIPs: pool.map((cidr) => hostCidr(probeAddress(cidr))).sort() };
}
