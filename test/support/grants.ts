import type { Flow } from '../../src/dataplane/nftables/ruleset.ts';
import type { Grant, Granted } from '../../src/mesh/access/access.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { type Cidr, hostCidr } from '../../src/net/cidr.ts';

/** What one device may reach, as `10.213.0.16 tcp 10.96.0.20 80`. */
export function aGrant(text: string): Grant {
  const [peer, protocol, address, port] = text.split(' ');
  return {
    peer: peer as IpAddress,
    protocol: protocol as Grant['protocol'],
    address: address as IpAddress,
    port: Number(port),
  };
}

/** What these devices may reach, each as `aGrant` reads it, or as `10.213.0.16 10.50.0.0/16` or `10.213.0.16 10.50.0.0/16 tcp 443`. */
export function allGranted(...texts: readonly string[]): Granted {
  const ranges = texts.filter((text) => text.includes('/'));
  return {
    services: texts.filter((text) => !ranges.includes(text)).map(aGrant),
    ranges: ranges.map((text) => {
      const [peer, cidr, protocol, port] = text.split(' ');
      const open = protocol === undefined ? undefined : { protocol: protocol as Grant['protocol'], port: Number(port) };
      return { peer: peer as IpAddress, cidr: cidr as Cidr, open };
    }),
  };
}

/** A connection that is open, as `10.213.0.16 tcp 10.96.0.20 80` or `10.213.0.16 icmp 10.50.0.1`. */
export function aFlow(text: string): Flow {
  const [source, protocol = '', destination, port] = text.split(' ');
  const open = { protocol, port: port === undefined ? undefined : Number(port) };
  return { source: source as IpAddress, destination: hostCidr(destination as IpAddress), open };
}
