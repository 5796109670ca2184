import type { ClientConfiguration } from '../mesh/client-configuration.ts';
import { addressBits, type Family, type IpAddress, parseAddress } from '../net/address.ts';
import { type Cidr, cidrContains, cidrFamily, cidrLength, cidrsOverlap, normalizeCidrs } from '../net/cidr.ts';
import { endpointParts } from '../net/endpoint.ts';

/** What never lies behind a tunnel: this machine itself, its links, and everybody at once. */
const OWN = ['127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3', '::1/128', 'fe80::/10', 'ff00::/8'] as Cidr[];
/** No cluster is as large as a sixteenth of all IPv4 addresses, or of what is in use of IPv6. */
const WIDEST = { 4: 4, 6: 7 } as const;

/** What a machine knows besides. */
export interface Limits {
  /** Addresses that must stay out of the tunnel: the routers of this machine. */
  readonly keepOut?: readonly IpAddress[] | undefined;
  /** The cluster's domain as it was when the device joined. */
  readonly domain?: string | undefined;
}

/**
 * Why this device does not act on a configuration, however it came; undefined when it may. Root makes routes of it, so whoever holds a
 * gateway must not be able to take all of a laptop's traffic, or to send the tunnel's own packets into the tunnel.
 */
export function problemOf(
  { gateways, dns }: ClientConfiguration,
  { keepOut = [], domain }: Limits = {},
): string | undefined {
  if (dns !== undefined && (!dns.domain.includes('.') || (domain !== undefined && dns.domain !== domain)))
    return `its domain is ${dns.domain}${domain === undefined ? '' : ` and was ${domain} so far`}; join again if that is meant`;
  const all = gateways.flatMap(({ name, allowedIPs }) => allowedIPs.map((cidr) => ({ name, cidr })));
  const wide = all.find(({ cidr }) => cidrLength(cidr) < WIDEST[cidr.includes(':') ? 6 : 4]);
  if (wide !== undefined) return `gateway ${wide.name} wants ${wide.cidr}, which is nearly everything`;
  const family = ([4, 6] as const).find(
    (each) => together(all, each) > 2n ** BigInt(addressBits(each) - WIDEST[each] + 1),
  );
  if (family !== undefined) return `all that the gateways want of IPv${family} is together nearly everything`;
  const own = all.find(({ cidr }) => OWN.some((range) => cidrsOverlap(range, cidr)));
  if (own !== undefined) return `gateway ${own.name} wants ${own.cidr}, which is no network of a cluster`;
  const router = keepOut.find((address) => all.some(({ cidr }) => cidrContains(cidr, address)));
  if (router !== undefined)
    return `the ranges that go through the tunnel hold ${router}, by which this machine reaches everything else`;
  for (const { name, endpoints } of gateways) {
    const inside = endpoints.find((endpoint) => all.some(({ cidr }) => holds(cidr, endpointParts(endpoint).host)));
    if (inside !== undefined)
      return `the endpoint ${inside} of gateway ${name} lies within the ranges that go through the tunnel`;
  }
  return undefined;
}

/** How many addresses of the family all these ranges hold. */
function together(all: readonly { readonly cidr: Cidr }[], family: Family): bigint {
  const own = normalizeCidrs(all.map(({ cidr }) => cidr)).filter((cidr) => cidrFamily(cidr) === family);
  return own.reduce((sum, cidr) => sum + 2n ** BigInt(addressBits(family) - cidrLength(cidr)), 0n);
}

function holds(cidr: Cidr, host: string): boolean {
  const address = parseAddress(host);
  return address.ok && cidrContains(cidr, address.value);
}
