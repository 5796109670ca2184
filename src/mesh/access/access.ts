import type { MeshAccess } from '../../api/meshaccess.ts';
import { keyOf } from '../../api/resource.ts';
import { milliseconds } from '../../api/timestamp.ts';
import { addressFamily, type IpAddress } from '../../net/address.ts';
import { type Cidr, cidrContains } from '../../net/cidr.ts';
import type { Member } from '../members.ts';
import { type AccessWorld, type Destination, type Layer4, resolveAccess } from './resolve.ts';

/** A gateway, as far as grants concern it. */
export interface AccessGateway {
  readonly name: string;
  readonly accessDefault: 'Allow' | 'Deny';
  /** The gateway leads nowhere else, so nothing else is opened. */
  readonly serviceCidrs: readonly Cidr[];
}

/** A member of a gateway and the addresses that its packets alone come from. */
export type AccessMember = Pick<Member, 'peer'> & { readonly addresses: readonly IpAddress[] };

/** One device may reach one port of one Service: what a packet is compared with, and by which grant. */
export interface Grant {
  readonly peer: IpAddress;
  readonly protocol: Layer4;
  readonly address: IpAddress;
  readonly port: number;
}

/** A grant with where it comes from. */
export interface AttributedGrant extends Grant {
  readonly access: MeshAccess;
  readonly member: AccessMember;
  readonly destination: Destination;
}

/**
 * Who may reach what through a gateway that denies by default: all that the grants allow, added up. The nodes' rules, the status
 * of a MeshAccess and `sallyport access` are all made from it.
 *
 * A grant needs nobody's word but its own: each is judged alone, so two nodes that see the same objects open the same. Its end is
 * read from the object itself, by any clock, so it ends while the operator is down.
 */
export function* accessOf(
  gateway: AccessGateway,
  members: Iterable<AccessMember>,
  {
    accesses,
    world,
    now,
  }: { readonly accesses: Iterable<MeshAccess>; readonly world: AccessWorld; readonly now: number },
): Iterable<AttributedGrant> {
  const inside = new Map([...members].map((member) => [keyOf(member.peer.metadata), member]));
  for (const access of accesses) {
    if (!isFor(access, gateway.name) || hasEnded(access, now)) continue;
    const { peers, destinations } = resolveAccess(access, world);
    const open = destinations.map((destination) => ({
      destination,
      addresses: destination.addresses.filter((address) => leadsTo(gateway, address)),
    }));
    for (const peer of peers) {
      const member = inside.get(keyOf(peer.metadata));
      if (member === undefined) continue;
      for (const { destination, addresses } of open) yield* pairs({ access, member, destination }, addresses);
    }
  }
}

/** Whether the grant is meant for the gateway. */
export function isFor({ spec }: MeshAccess, gateway: string): boolean {
  return spec.gateways?.includes(gateway) !== false;
}

/** Whether the grant itself says that it is over. `now` is in milliseconds since the epoch. */
export function hasEnded(access: MeshAccess, now: number): boolean {
  return access.metadata.deletionTimestamp !== undefined || endOf(access) <= now;
}

/** When the grant ends, in milliseconds since the epoch; infinity for never, and long ago for a time that nobody can read. */
export function endOf({ spec }: MeshAccess): number {
  if (spec.expiresAt === undefined) return Number.POSITIVE_INFINITY;
  const end = milliseconds(spec.expiresAt);
  return Number.isNaN(end) ? Number.NEGATIVE_INFINITY : end;
}

/** Whether the gateway leads to the address at all. */
export function leadsTo({ serviceCidrs }: AccessGateway, address: IpAddress): boolean {
  return serviceCidrs.some((cidr) => cidrContains(cidr, address));
}

function* pairs(
  why: Pick<AttributedGrant, 'access' | 'member' | 'destination'>,
  addresses: readonly IpAddress[],
): Iterable<AttributedGrant> {
  const { protocol, port } = why.destination;
  for (const address of addresses)
    for (const peer of why.member.addresses)
      if (addressFamily(peer) === addressFamily(address)) yield { ...why, peer, protocol, address, port };
}
