import type { IpAddress } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { PublicKey } from '../net/key.ts';

/** All that a device needs to reach its gateways, but for its own keys. */
export interface ClientConfiguration {
  /** NAMESPACE/NAME of its MeshPeer. */
  readonly peer: string;
  /** The device's mesh addresses, at most one of a family. */
  readonly addresses: readonly IpAddress[];
  /** Bytes; undefined where no gateway knows its own yet. */
  readonly mtu: number | undefined;
  /** Where the cluster's names are asked, and below which domain they are; undefined where the gateways give none. */
  readonly dns: { readonly servers: readonly IpAddress[]; readonly domain: string } | undefined;
  /** Whether each gateway asks for the preshared key of this device. */
  readonly hasPresharedKey: boolean;
  /** Seconds; 0 for none. */
  readonly persistentKeepalive: number;
  /** Most preferred first; no two share an AllowedIP. */
  readonly gateways: readonly ClientGateway[];
}

/** What a device knows of one gateway. */
export interface ClientGateway {
  readonly name: string;
  readonly publicKey: PublicKey;
  /** The gateway's own mesh addresses: there it answers pings, and gives each device its own configuration. */
  readonly addresses: readonly IpAddress[];
  readonly allowedIPs: readonly Cidr[];
  /** What else it takes from a device that asks for a full tunnel: 0.0.0.0/0, ::/0, both or neither. It goes there only then. */
  readonly internet: readonly Cidr[];
  /** Whether it lets a device reach only what somebody has granted to it. */
  readonly deniesByDefault: boolean;
  /** Where it is dialled, most preferred first; at least one. */
  readonly endpoints: readonly Endpoint[];
}

/** Everything, of either family. */
export const EVERYTHING = ['0.0.0.0/0', '::/0'] as readonly string[] as readonly Cidr[];

/** The TCP port at each of a gateway's mesh addresses where it tells a device, known by its own mesh address, its current configuration. */
export const CONFIGURATION_PORT = 51840;
