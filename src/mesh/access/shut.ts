import type { Flow, Shut } from '../../dataplane/nftables/ruleset.ts';
import type { IpAddress } from '../../net/address.ts';
import { probeAddress } from '../../net/allocate.ts';
import { type Cidr, cidrFamily, hostCidr } from '../../net/cidr.ts';

const DNS_PORT = 53;

/** What of a gateway decides which connections need a grant. */
export interface Denying {
  readonly pool: readonly Cidr[];
  readonly serviceCidrs: readonly Cidr[];
  readonly routedCidrs: readonly Cidr[];
  readonly dnsServers: readonly IpAddress[];
}

/** Where a gateway that denies by default lets devices in by grants alone; cluster DNS and the probe need none. */
export function shutBy({ pool, serviceCidrs, routedCidrs, dnsServers }: Denying): Shut {
  const dns = dnsServers.map(hostCidr);
  return {
    flows: between(pool, [...serviceCidrs, ...routedCidrs], [undefined]),
    open: [
      ...between(pool, dns, [
        { protocol: 'tcp', port: DNS_PORT },
        { protocol: 'udp', port: DNS_PORT },
      ]),
      ...between(pool.map(probeAddress).map(hostCidr), serviceCidrs, [undefined]),
    ],
  };
}

function between(sources: readonly Cidr[], destinations: readonly Cidr[], opens: readonly Flow['open'][]): Flow[] {
  return sources.flatMap((source) =>
    destinations
      .filter((destination) => cidrFamily(destination) === cidrFamily(source))
      .flatMap((destination) => opens.map((open) => ({ source, destination, open }))),
  );
}
