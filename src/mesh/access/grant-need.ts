import type { Flow } from '../../dataplane/nftables/ruleset.ts';
import type { IpAddress } from '../../net/address.ts';
import { probeAddress } from '../../net/allocate.ts';
import { type Cidr, cidrBase, cidrRange, cidrsOverlap, hostCidr } from '../../net/cidr.ts';
import type { Topology } from '../topology.ts';

/** Which connections of a gateway's devices go on only for as long as they are granted: the firewall's words, for what is open already. */
export interface GrantNeed {
  /** Whose: the mesh's. */
  readonly sources: readonly Cidr[];
  /** But not those of the node itself and of its probe. */
  readonly exempt: readonly IpAddress[];
  /** What must be dialled: everything, or all but the internet where that is open. */
  readonly within: readonly Cidr[];
  /** What nobody needs a grant for: cluster DNS, what the gateway itself answers, and other devices. */
  readonly free: readonly Pick<Flow, 'destination' | 'open'>[];
}

const DNS_PORT = 53;
const EVERYWHERE = ['0.0.0.0/0', '::/0'] as Cidr[];

/** Of nobody is anything known, so every connection that a grant let in goes with it. */
export const ALL_NEED_GRANTS: GrantNeed = { sources: [], exempt: [], within: EVERYWHERE, free: [] };

/** What needs a grant at this gateway; undefined where nothing does, because it allows by default. */
export function grantNeed(served: Topology): GrantNeed | undefined {
  const { gateway, addresses, pool, serviceCidrs, cidrs, keptFromInternet, dnsServers } = served;
  if (gateway.spec.access.default === 'Allow') return undefined;
  return {
    sources: pool,
    exempt: [...addresses, ...pool.map(probeAddress)],
    within: keptFromInternet === undefined ? EVERYWHERE : [...keptFromInternet, ...serviceCidrs, ...cidrs],
    free: [
      ...pool.map((destination) => ({ destination, open: undefined })),
      ...dnsServers
        .map(hostCidr)
        .flatMap((destination) =>
          ['tcp', 'udp'].map((protocol) => ({ destination, open: { protocol, port: DNS_PORT } })),
        ),
    ],
  };
}

/** Those of the connections that need a grant. Many are to the same few destinations, and each of these is looked at once. */
export function needingGrants(need: GrantNeed | undefined, flows: readonly Flow[]): readonly Flow[] {
  if (need === undefined) return [];
  const known = new Map<string, boolean>();
  return flows.filter((flow) => {
    if (need.exempt.some((address) => address === flow.source)) return false;
    const key = `${flow.destination} ${flow.open?.protocol} ${flow.open?.port}`;
    const needs = known.get(key) ?? (isWithin(need, flow) && !need.free.some((free) => covers(free, flow)));
    known.set(key, needs);
    return needs;
  });
}

/** What of these connections, which may be to whole ranges, goes on whatever is granted. */
export function freeAmong(need: GrantNeed | undefined, flows: readonly Flow[]): readonly Flow[] {
  const found = new Map<string, Flow>();
  for (const { source, destination } of flows) {
    if (hostCidr(cidrBase(destination)) === destination) continue;
    for (const free of need?.free ?? [])
      if (cidrsOverlap(free.destination, destination)) found.set(JSON.stringify([source, free]), { source, ...free });
  }
  return [...found.values()];
}

function isWithin({ within }: GrantNeed, { destination }: Flow): boolean {
  return within.some((cidr) => cidrsOverlap(cidr, destination));
}

function covers(free: GrantNeed['free'][number], { destination, open }: Flow): boolean {
  const [wide, narrow] = [cidrRange(free.destination), cidrRange(destination)];
  if (wide.family !== narrow.family || narrow.first < wide.first || wide.last < narrow.last) return false;
  return free.open === undefined || (free.open.protocol === open?.protocol && free.open.port === open.port);
}
