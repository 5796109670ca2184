import type { ClientConfiguration } from '../../mesh/client-configuration.ts';
import type { IpAddress } from '../../net/address.ts';
import type { Cidr } from '../../net/cidr.ts';
import { type Parsed, parsed, quoted, refused } from '../../net/parsed.ts';
import { reverseZones } from './reverse-zones.ts';

/** Which names a laptop asks in the cluster. */
export interface SplitNames {
  /** The cluster's DNS servers, most preferred first; reached through the tunnel. */
  readonly servers: readonly IpAddress[];
  /** Domains whose names are asked there, in lower case and without a final dot: the cluster's, and those of reverse lookups of what lies behind the tunnel. */
  readonly zones: readonly string[];
  /** What is appended to short names, after what the laptop appends already. */
  readonly search: readonly string[];
  /** All names are asked in the cluster and none anywhere else: for a tunnel that takes all traffic. */
  readonly everything: boolean;
}

export interface SplitOptions {
  /** `web` for a Service of the device's own namespace, `web.team-a` for any. */
  readonly hasShortNames: boolean;
  readonly everything: boolean;
}

/** What a configuration says of names; undefined when its gateways name no DNS server. */
export function splitNames(
  { dns, gateways, peer }: ClientConfiguration,
  { hasShortNames, everything }: SplitOptions,
): Parsed<SplitNames | undefined> {
  if (dns === undefined || dns.servers.length === 0) return parsed(undefined);
  const domain = parseDomain(dns.domain);
  if (!domain.ok) return domain;
  const [namespace = ''] = peer.split('/');
  const services = `svc.${domain.value}`;
  const allowed: readonly Cidr[] = gateways.flatMap(({ allowedIPs }) => allowedIPs);
  return parsed({
    servers: dns.servers,
    zones: [domain.value, ...new Set(allowed.filter((cidr) => !cidr.endsWith('/0')).flatMap(reverseZones))],
    search: hasShortNames ? [...(isLabel(namespace) ? [`${namespace}.${services}`] : []), services] : [],
    everything,
  });
}

/** A domain as it is compared and written into the files and commands of others: letters, digits, hyphens and underscores. */
export function parseDomain(text: string): Parsed<string> {
  const domain = text.replace(/\.$/, '').toLowerCase();
  const isDomain = domain.length <= 253 && domain.split('.').every(isLabel);
  return isDomain ? parsed(domain) : refused(`${quoted(text)} is not a domain such as cluster.local`);
}

/** Whether a name, given by its labels in lower case, is the zone or below it. Labels are compared whole. */
export function isInZone(labels: readonly string[], zone: string): boolean {
  const parts = zone.split('.');
  const from = labels.length - parts.length;
  return from >= 0 && parts.every((part, index) => labels[from + index] === part);
}

function isLabel(text: string): boolean {
  return /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/.test(text);
}
