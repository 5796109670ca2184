import type { MeshPeer } from '../api/meshpeer.ts';
import { addressBits, addressFamily, type IpAddress } from '../net/address.ts';
import { type Cidr, cidrBase, cidrContains, cidrFamily, cidrLength, hostCidr, normalizeCidrs } from '../net/cidr.ts';
import type { Topology } from './topology.ts';

/** The [Peer] section for one gateway, as a value. */
interface ClientPeer {
  readonly topology: Topology;
  readonly allowedIPs: readonly Cidr[];
  readonly endpoint: string;
}

/**
 * A complete wg-quick file for a peer, but for the private key: PostUp reads it from `/etc/wireguard/INTERFACE.key` on the device,
 * and the preshared key of a peer that has one from `/etc/wireguard/INTERFACE.psk`, so that this text may stand in a status. Undefined while the peer has no addresses or no gateway has an endpoint; a gateway
 * without one is left out until it has one.
 *
 * AllowedIPs are exclusive per interface: where two gateways advertise one range, the more preferred gateway gets it. Where one
 * range holds the other, WireGuard takes the longest prefix, so only what a preferred gateway has whole is kept from the others.
 */
export function planClient(
  peer: MeshPeer,
  addresses: readonly IpAddress[],
  gateways: readonly Topology[],
): string | undefined {
  const peers = clientPeers(gateways, addresses);
  if (peers.length === 0 || addresses.length === 0) return undefined;
  return [...interfaceLines(peer, addresses, peers), ...peers.flatMap((entry) => ['', ...peerLines(peer, entry)])]
    .map((line) => `${line}\n`)
    .join('');
}

function interfaceLines(
  peer: MeshPeer,
  addresses: readonly IpAddress[],
  peers: readonly ClientPeer[],
): readonly string[] {
  const mtus = peers.flatMap(({ topology }) => topology.gateway.status?.mtu ?? []);
  return [
    `# ${peer.metadata.namespace}/${peer.metadata.name}`,
    '# The private key is not in this file. Keep it in /etc/wireguard/INTERFACE.key, readable by root alone.',
    ...(isKeyed(peer) ? [PRESHARED_KEY_NOTE] : []),
    '[Interface]',
    `Address = ${addresses.map((address) => `${address}/${addressBits(addressFamily(address))}`).join(', ')}`,
    ...(mtus.length === 0 ? [] : [`MTU = ${Math.min(...mtus)}`]),
    ...dnsLines(peers),
    // Before the private key, without which no handshake begins: the first one would fail for want of the other key.
    ...(isKeyed(peer) ? peers.map(({ topology }) => presharedKeyLine(topology)) : []),
    'PostUp = wg set %i private-key /etc/wireguard/%i.key',
  ];
}

const PRESHARED_KEY_NOTE =
  '# Nor is the preshared key. Keep it in /etc/wireguard/INTERFACE.psk, readable by root alone.';

function isKeyed({ spec }: MeshPeer): boolean {
  return spec.presharedKeySecretName !== undefined;
}

function presharedKeyLine({ publicKey }: Topology): string {
  return `PostUp = wg set %i peer ${publicKey} preshared-key /etc/wireguard/%i.psk`;
}

/** Search domains make `hello.demo` work as in a pod; the resolvers come first, as wg-quick wants it. */
function dnsLines(peers: readonly ClientPeer[]): readonly string[] {
  for (const { topology } of peers) {
    const servers = resolvers(topology, peers);
    const { domain } = topology;
    if (servers.length > 0) return [`DNS = ${[...servers, `svc.${domain}`, domain].join(', ')}`];
  }
  return [];
}

/** A resolver that was found and that the tunnel does not lead to would leave the device without any name. */
function resolvers({ gateway, dnsServers }: Topology, peers: readonly ClientPeer[]): readonly IpAddress[] {
  if (!gateway.spec.dns.enabled) return [];
  if (gateway.spec.dns.servers.length > 0) return dnsServers;
  const routed = peers.flatMap(({ allowedIPs }) => allowedIPs);
  return dnsServers.filter((server) => routed.some((cidr) => cidrContains(cidr, server)));
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

/** A family in which the device has no address would only lead its packets nowhere. */
function clientPeers(gateways: readonly Topology[], addresses: readonly IpAddress[]): readonly ClientPeer[] {
  const families = new Set(addresses.map(addressFamily));
  const taken: Cidr[] = [];
  return gateways.flatMap((topology) => {
    const endpoint = topology.gateway.status?.endpoints?.[0]?.endpoint;
    if (endpoint === undefined) return [];
    const wanted = normalizeCidrs([...topology.addresses.map(hostCidr), ...topology.serviceCidrs, ...topology.cidrs]);
    const allowedIPs = wanted.filter((cidr) => families.has(cidrFamily(cidr)) && !taken.some(isWithin(cidr)));
    taken.push(...allowedIPs);
    return allowedIPs.length === 0 ? [] : [{ topology, allowedIPs, endpoint }];
  });
}

function isWithin(inner: Cidr): (outer: Cidr) => boolean {
  return (outer) => cidrLength(outer) <= cidrLength(inner) && cidrContains(outer, cidrBase(inner));
}
