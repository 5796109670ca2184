import type { MeshPeer } from '../api/meshpeer.ts';
import { addressBits, addressFamily, type IpAddress } from '../net/address.ts';
import { type Cidr, cidrsOverlap, hostCidr, normalizeCidrs } from '../net/cidr.ts';
import type { Topology } from './topology.ts';

/** The [Peer] section for one gateway, as a value. */
interface ClientPeer {
  readonly topology: Topology;
  readonly allowedIPs: readonly Cidr[];
  readonly endpoint: string | undefined;
}

/**
 * A complete wg-quick file for a peer, but for the private key: PostUp reads it from `/etc/wireguard/INTERFACE.key` on the device,
 * so that this text may stand in a status. Undefined while the peer has no addresses or no gateway has an endpoint.
 *
 * AllowedIPs are exclusive per interface: where two gateways advertise one range, the more preferred gateway gets it.
 */
export function planClient(
  peer: MeshPeer,
  addresses: readonly IpAddress[],
  gateways: readonly Topology[],
): string | undefined {
  const peers = clientPeers(gateways);
  const first = peers[0];
  if (first === undefined || addresses.length === 0 || peers.some(({ endpoint }) => endpoint === undefined))
    return undefined;
  return [
    ...interfaceLines(peer, addresses, first.topology, peers),
    ...peers.flatMap((entry) => ['', ...peerLines(peer, entry)]),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

function interfaceLines(
  peer: MeshPeer,
  addresses: readonly IpAddress[],
  first: Topology,
  peers: readonly ClientPeer[],
): readonly string[] {
  const mtus = peers.flatMap(({ topology }) => topology.gateway.status?.mtu ?? []);
  return [
    `# ${peer.metadata.namespace}/${peer.metadata.name}`,
    '# The private key is not in this file. Keep it in /etc/wireguard/INTERFACE.key, readable by root alone.',
    '[Interface]',
    `Address = ${addresses.map((address) => `${address}/${addressBits(addressFamily(address))}`).join(', ')}`,
    ...(mtus.length === 0 ? [] : [`MTU = ${Math.min(...mtus)}`]),
    ...dnsLines(first),
    'PostUp = wg set %i private-key /etc/wireguard/%i.key',
  ];
}

/** Search domains make `hello.demo` work as in a pod; the resolvers come first, as wg-quick wants it. */
function dnsLines({ gateway, dnsServers, domain }: Topology): readonly string[] {
  if (!gateway.spec.dns.enabled || dnsServers.length === 0) return [];
  return [`DNS = ${[...dnsServers, `svc.${domain}`, domain].join(', ')}`];
}

function peerLines(peer: MeshPeer, { topology, allowedIPs, endpoint }: ClientPeer): readonly string[] {
  return [
    `# MeshGateway ${topology.gateway.metadata.name}`,
    '[Peer]',
    `PublicKey = ${topology.publicKey}`,
    `AllowedIPs = ${allowedIPs.join(', ')}`,
    `Endpoint = ${endpoint}`,
    ...(peer.spec.persistentKeepalive === 0 ? [] : [`PersistentKeepalive = ${peer.spec.persistentKeepalive}`]),
  ];
}

function clientPeers(gateways: readonly Topology[]): readonly ClientPeer[] {
  const taken: Cidr[] = [];
  return gateways.map((topology) => {
    const wanted = normalizeCidrs([...topology.addresses.map(hostCidr), ...topology.serviceCidrs, ...topology.cidrs]);
    const allowedIPs = wanted.filter((cidr) => !taken.some((other) => cidrsOverlap(cidr, other)));
    taken.push(...allowedIPs);
    return { topology, allowedIPs, endpoint: topology.gateway.status?.endpoints?.[0]?.endpoint };
  });
}
