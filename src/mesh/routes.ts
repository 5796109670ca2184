import type { Route } from '../dataplane/routes/route.ts';
import { probeAddress } from '../net/allocate.ts';
import { type Cidr, cidrFamily, hostCidr } from '../net/cidr.ts';

/** What the routes of a node follow from. */
export interface RouteInput {
  readonly pool: readonly Cidr[];
  /** The interface of the older key: whoever has not come by the other one yet uses it. */
  readonly older: string;
  /** The interface of the newer key, while there are two. */
  readonly newer?: string | undefined;
  /** The interface that the node's probe takes: that of the key which devices are told. */
  readonly probe: string;
  /** Addresses of peers that came by the newer key last. */
  readonly moved: Iterable<Cidr>;
}

/** The pool by one interface; while there are two, those who have moved to the newer key by the other one, each by a route of its own. */
export function routes({ pool, older, newer, probe, moved }: RouteInput): readonly Route[] {
  const all = pool.map((destination) => ({ destination, device: older }));
  if (newer === undefined) return all;
  const probes = pool.map((cidr) => hostCidr(probeAddress(cidr)));
  // Of a device only what the node speaks.
  const families = new Set(pool.map(cidrFamily));
  const own = new Set([...moved].filter((cidr) => families.has(cidrFamily(cidr)) && !probes.includes(cidr)));
  return [
    ...all,
    ...(probe === newer ? probes : []).map((destination) => ({ destination, device: newer })),
    ...[...own].sort().map((destination) => ({ destination, device: newer })),
  ];
}
