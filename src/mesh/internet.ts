import type { MeshGateway } from '../api/meshgateway.ts';
import type { Rule } from '../dataplane/nftables/ruleset.ts';
import { addressesIn } from '../net/address.ts';
import { type Cidr, cidrsIn, hostCidr, normalizeCidrs, widenCidr } from '../net/cidr.ts';
import type { GatewayFindings } from './gateway-checks.ts';
import type { MeshView } from './view.ts';

/**
 * What no packet for the internet is sent to: all that IANA's registries of special-purpose addresses (RFC 6890) hold, and what else
 * looks public and is not. Of IPv6, only 2000::/3 has been given out as public.
 */
export const NOT_PUBLIC = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  // Carrier-grade NAT: Tailscale, some clouds' pods, Alibaba's metadata (100.100.100.200).
  '100.64.0.0/10',
  '127.0.0.0/8',
  // Azure's host answers there, with secrets of the node's own.
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  // Also Oracle's metadata (192.0.0.192).
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  // Multicast, reserved and broadcast.
  '224.0.0.0/3',
  // Loopback, IPv4 in IPv6, and NAT64, by which private IPv4 addresses could be spelt.
  '::/3',
  // Teredo and other protocols' own.
  '2001::/23',
  '2001:db8::/32',
  // 6to4, which holds IPv4 addresses.
  '2002::/16',
  '3fff::/20',
  '4000::/2',
  // Unique local (fd00:ec2::254 is Amazon's metadata), link-local, multicast.
  '8000::/1',
] as Cidr[];

/**
 * The last rules for what comes from the mesh, the sets `kept4` and `kept6` given: what is refused without them is refused with them, but
 * for the beginning of a connection to a public address that nobody translated. `refuse` is what a rule says that refuses.
 */
export function internet(refuse: string): readonly Rule[] {
  return [
    { text: `ct status dnat ${refuse}`, comment: 'a public address of a Service' },
    { text: `ip daddr @kept4 ${refuse}`, comment: 'not public' },
    { text: `ip6 daddr @kept6 ${refuse}`, comment: 'not public' },
    { text: 'ct state new accept', comment: 'the internet' },
  ];
}

/** What of the cluster looks public: nodes, their pods, Services, the mesh itself, in at most `most` prefixes, wider ones where there are more. */
export function publicClusterCidrs(
  { nodes, pool }: Pick<MeshView, 'nodes' | 'pool'>,
  { serviceCidrs }: Pick<GatewayFindings, 'serviceCidrs'>,
  most: number,
): readonly Cidr[] {
  const all = [
    ...pool,
    ...serviceCidrs.map(({ cidr }) => cidr),
    ...nodes.flatMap(({ spec, status }) => [
      ...cidrsIn(spec.podCIDRs ?? []),
      ...addressesIn(status.addresses.map(({ address }) => address)).map(hostCidr),
    ]),
  ];
  let kept = normalizeCidrs(withoutNotPublic(all));
  while (kept.length > most) kept = normalizeCidrs(kept.map((cidr) => widenCidr(cidr, STEP)));
  return kept;
}

/**
 * Where devices do not get although they may send all their traffic through the gateway; undefined while they may not. Until the operator
 * has said what of the cluster looks public, nobody may.
 */
export function keptFromInternet({ spec, status }: MeshGateway): readonly Cidr[] | undefined {
  const { internet, cidrs } = spec.advertise;
  const { enabled, access, except } = internet;
  if (!enabled || status?.internet === undefined) return undefined;
  if (spec.access.default === 'Deny' && access !== 'Allow') return undefined;
  return normalizeCidrs([
    ...NOT_PUBLIC,
    ...cidrsIn(status.pool ?? []),
    ...cidrsIn(status.internet.excluded),
    ...cidrsIn(except),
    // Where everything else takes a grant, these do too, public or not.
    ...(spec.access.default === 'Deny' ? cidrsIn(cidrs) : []),
  ]);
}

/** By how many bits prefixes grow at a time, where there are too many of them. */
const STEP = 4;

/** A prefix within one that is kept out anyway says nothing new. */
function withoutNotPublic(cidrs: readonly Cidr[]): readonly Cidr[] {
  const normalized = normalizeCidrs([...NOT_PUBLIC, ...cidrs]);
  return normalized.filter((cidr) => !NOT_PUBLIC.includes(cidr));
}
