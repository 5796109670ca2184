import type { DnsRecord } from '../api/dns-endpoint.ts';
import { milliseconds } from '../api/timestamp.ts';
import { addressFamily, type IpAddress, parseAddress } from '../net/address.ts';
import { endpointParts } from '../net/endpoint.ts';
import type { Publication } from './dns-names.ts';
import { agentBehind, type ToldEndpoint, WITHDRAWN_AFTER_MS } from './endpoint-standing.ts';
import type { FoundEndpoint } from './found-endpoint.ts';

/** As many addresses of a family are published, so that an answer fits into one datagram. */
const MOST_TARGETS = 16;

/** What the decision about records looks at besides the endpoints. */
export interface Behind {
  /** The names of nodes that serve. */
  readonly serving: ReadonlySet<string>;
  /** What the gateway's status is to say. */
  readonly told: readonly ToldEndpoint[];
  /** Milliseconds since the epoch. */
  readonly now: number;
}

/**
 * What the names lead to: the addresses behind which an agent stands, or stood a moment ago; all of them where there is none, because a name without
 * an address helps nobody. Names as targets come into play where there is no address: DNS allows no other record beside a CNAME.
 */
export function dnsRecords({ hostnames, ttlSeconds, targets }: Publication, behind: Behind): readonly DnsRecord[] {
  const living = targets.filter((target) => isPublished(target, behind));
  const hosts = (living.length > 0 ? living : targets).map(({ endpoint }) => endpointParts(endpoint).host);
  const addresses = hosts.flatMap((host) => {
    const address = parseAddress(host);
    return address.ok ? [address.value] : [];
  });
  const alias = addresses.length === 0 ? hosts.slice(0, 1) : [];
  return hostnames.flatMap((dnsName) => {
    const record = (recordType: DnsRecord['recordType'], to: readonly string[]): readonly DnsRecord[] =>
      to.length === 0 ? [] : [{ dnsName, recordType, recordTTL: ttlSeconds, targets: to }];
    return [
      ...record('A', ofFamily(addresses, 4)),
      ...record('AAAA', ofFamily(addresses, 6)),
      ...record('CNAME', alias),
    ];
  });
}

function isPublished(target: FoundEndpoint, { serving, told, now }: Behind): boolean {
  if (agentBehind(target, serving) !== 'NotServing') return true;
  const since = told.find(({ endpoint }) => endpoint === target.endpoint)?.since;
  return since !== undefined && now - milliseconds(since) < WITHDRAWN_AFTER_MS;
}

function ofFamily(addresses: readonly IpAddress[], family: 4 | 6): readonly string[] {
  return [...new Set(addresses.filter((address) => addressFamily(address) === family))].slice(0, MOST_TARGETS);
}
