import type { ClientConfiguration } from '../mesh/client-configuration.ts';
import type { IpAddress } from '../net/address.ts';
import { type Cidr, hostCidr, normalizeCidrs } from '../net/cidr.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { PublicKey } from '../net/key.ts';

/** What a tunnel is on any platform: an interface with addresses, peers and routes. Its keys are files. */
export interface Tunnel {
  readonly device: string;
  /** Of the private key that the interface shall have. */
  readonly publicKey: PublicKey;
  readonly privateKeyFile: string;
  readonly presharedKeyFile: string | undefined;
  readonly mtu: number;
  readonly addresses: readonly Cidr[];
  readonly peers: readonly TunnelPeer[];
  readonly routes: readonly Cidr[];
}

export interface TunnelPeer {
  readonly publicKey: PublicKey;
  /** Where the interface dials it first; later this is the business of whoever watches the path. Undefined: not yet known. */
  readonly endpoint: Endpoint | undefined;
  readonly allowedIPs: readonly Cidr[];
  readonly persistentKeepalive: number;
}

/** What the laptop adds to a configuration. */
export interface TunnelChoices {
  readonly device: string;
  readonly publicKey: PublicKey;
  readonly privateKeyFile: string;
  readonly presharedKeyFile?: string | undefined;
  /** Of each gateway's public key, the endpoint that was found best; the most preferred one for the others. */
  readonly endpoints?: ReadonlyMap<PublicKey, Endpoint> | undefined;
  /** Everything goes through the tunnel that a gateway offers to carry. Otherwise a default route is left out. */
  readonly full?: boolean;
}

/** WireGuard's overhead on any underlay (IPv6, 80 bytes) below Ethernet's 1500. */
const SAFE_MTU = 1420;
/** A /0 is carried in halves, which are more specific than the default route of the laptop and leave that one as it is. */
const HALVES: Readonly<Record<string, readonly Cidr[]>> = {
  '0.0.0.0/0': ['0.0.0.0/1', '128.0.0.0/1'] as Cidr[],
  '::/0': ['::/1', '8000::/1'] as Cidr[],
};

/** The tunnel that a configuration asks for. */
export function tunnelOf(configuration: ClientConfiguration, choices: TunnelChoices): Tunnel {
  const { device, publicKey, privateKeyFile, presharedKeyFile, endpoints, full = false } = choices;
  const peers = configuration.gateways.map((gateway) => ({
    publicKey: gateway.publicKey,
    endpoint: endpoints?.get(gateway.publicKey) ?? gateway.endpoints[0],
    allowedIPs: gateway.allowedIPs.filter((cidr) => full || !isDefault(cidr)),
    persistentKeepalive: configuration.persistentKeepalive,
  }));
  return {
    device,
    publicKey,
    privateKeyFile,
    presharedKeyFile: configuration.hasPresharedKey ? presharedKeyFile : undefined,
    mtu: configuration.mtu ?? SAFE_MTU,
    addresses: configuration.addresses.map(hostCidr),
    peers,
    routes: routesOf(peers),
  };
}

/** Whether any gateway offers to carry everything. */
export function offersEverything({ gateways }: ClientConfiguration): boolean {
  return gateways.some(({ allowedIPs }) => allowedIPs.some(isDefault));
}

/** The gateways' own mesh addresses, which prove the path. */
export function gatewayAddresses({ gateways }: ClientConfiguration): readonly IpAddress[] {
  return gateways.flatMap(({ addresses }) => addresses);
}

function routesOf(peers: readonly TunnelPeer[]): readonly Cidr[] {
  const all = normalizeCidrs(peers.flatMap(({ allowedIPs }) => allowedIPs));
  return all.flatMap((cidr) => HALVES[cidr] ?? [cidr]);
}

function isDefault(cidr: Cidr): boolean {
  return cidr in HALVES;
}
