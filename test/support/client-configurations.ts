import type { ClientConfiguration, ClientGateway } from '../../src/mesh/client-configuration.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';

/** What a device knows of the gateway `default`. */
export function aClientGateway(over: Partial<ClientGateway> = {}): ClientGateway {
  return {
    name: 'default',
    publicKey: keyPairFrom(new Uint8Array(32).fill(7)).publicKey,
    addresses: ['10.213.0.1'] as IpAddress[],
    allowedIPs: ['10.96.0.0/12', '10.213.0.1/32'] as Cidr[],
    internet: [],
    deniesByDefault: false,
    endpoints: ['192.0.2.11:51840', '192.0.2.12:51840'] as Endpoint[],
    ...over,
  };
}

/** The configuration of team-a/ada, one device with one gateway. */
export function aClientConfiguration(over: Partial<ClientConfiguration> = {}): ClientConfiguration {
  return {
    peer: 'team-a/ada',
    addresses: ['10.213.0.20'] as IpAddress[],
    mtu: 1420,
    dns: { servers: ['10.96.0.10'] as IpAddress[], domain: 'cluster.local' },
    hasPresharedKey: false,
    persistentKeepalive: 25,
    gateways: [aClientGateway()],
    ...over,
  };
}
