import type { Grant } from '../../src/mesh/access/access.ts';
import type { IpAddress } from '../../src/net/address.ts';

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
