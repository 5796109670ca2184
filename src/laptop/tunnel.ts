import type { ClientConfiguration } from '../mesh/client-configuration.ts';
import { type IpAddress, parseAddress } from '../net/address.ts';
import { type Cidr, hostCidr, normalizeCidrs } from '../net/cidr.ts';
import { type Endpoint, endpointParts } from '../net/endpoint.ts';
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
  /** Whether gateways also get what they take of a full tunnel; where to route it is the business of whoever lets nothing out beside it. */
  readonly full?: boolean | undefined;
  /** Of each gateway's public key, the endpoint that was found best; the most preferred one for the others. */
  readonly endpoints?: ReadonlyMap<PublicKey, Endpoint> | undefined;
}

/** WireGuard's overhead on any underlay (IPv6, 80 bytes) below Ethernet's 1500. */
const SAFE_MTU = 1420;
/** The tunnel that a configuration asks for. */
export function tunnelOf(configuration: ClientConfiguration, choices: TunnelChoices): Tunnel {
  const { device, publicKey, privateKeyFile, presharedKeyFile, full = false, endpoints } = choices;
  const peers = configuration.gateways.map((gateway) => ({
    publicKey: gateway.publicKey,
    endpoint: endpoints?.get(gateway.publicKey) ?? gateway.endpoints.find(isLiteral),
    allowedIPs: full ? [...gateway.allowedIPs, ...gateway.internet] : gateway.allowedIPs,
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
    routes: normalizeCidrs(configuration.gateways.flatMap(({ allowedIPs }) => allowedIPs)),
  };
}

/** `wg` looks a name up for minutes where nobody answers; whoever watches the path does that, and sets the endpoint then. */
function isLiteral(endpoint: Endpoint): boolean {
  return parseAddress(endpointParts(endpoint).host).ok;
}

/** The gateways' own mesh addresses, which prove the path. */
export function gatewayAddresses({ gateways }: ClientConfiguration): readonly IpAddress[] {
  return gateways.flatMap(({ addresses }) => addresses);
}
