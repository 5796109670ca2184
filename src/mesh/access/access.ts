import { type KubernetesObject, keyOf } from '../../api/resource.ts';
import { milliseconds } from '../../api/timestamp.ts';
import { addressFamily, type IpAddress } from '../../net/address.ts';
import { type Cidr, cidrContains, cidrFamily, cidrLength, cidrsOverlap } from '../../net/cidr.ts';
import type { Member } from '../members.ts';
import {
  type AccessWorld,
  type AnyAccess,
  type Destination,
  type Layer4,
  type Range,
  type Resolved,
  resolveAccess,
} from './resolve.ts';

/** A gateway, as far as grants concern it. */
export interface AccessGateway {
  readonly name: string;
  readonly accessDefault: 'Allow' | 'Deny';
  /** The gateway leads nowhere else, so nothing else is opened. */
  readonly serviceCidrs: readonly Cidr[];
  readonly routedCidrs: readonly Cidr[];
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
  readonly access: AnyAccess;
  readonly member: AccessMember;
  readonly destination: Destination;
}

/** One device may reach a range, or one port everywhere in it. */
export interface RangeGrant {
  readonly peer: IpAddress;
  readonly cidr: Cidr;
  readonly open: Range['open'];
}

/** A range with where it comes from. */
export interface AttributedRange extends RangeGrant {
  readonly access: AnyAccess;
  readonly member: AccessMember;
}

/** What is compared with packets. */
export interface Granted {
  readonly services: readonly Grant[];
  readonly ranges: readonly RangeGrant[];
  /** The grants, oldest first, of which not everything is opened because the gateway opens as much as it may. */
  readonly cut?: readonly AnyAccess[] | undefined;
}

/** Nothing is granted. */
export const NOTHING_GRANTED: Granted = { services: [], ranges: [] };

/** What grants are read in. `now` is in milliseconds since the epoch. */
export interface AccessObjects {
  readonly accesses: Iterable<AnyAccess>;
  readonly world: AccessWorld;
  readonly now: number;
}

/** What one grant opens at most at a gateway, in single openings: a device's address, and an address and port or a range. */
export const MOST_OF_A_GRANT = 20_000;
/** What all grants open at most at a gateway: as much as a node takes in a few seconds and holds in its memory. */
export const MOST_OF_A_GATEWAY = 100_000;

/** What one grant opens. */
export interface Opened {
  readonly access: AnyAccess;
  readonly services: readonly AttributedGrant[];
  readonly ranges: readonly AttributedRange[];
  /** Whether it would open more than there is room for; the newest devices are left out then. */
  readonly isCut: boolean;
  /** Whether it is cut because older grants have left no more room than that. */
  readonly isLate?: boolean | undefined;
}

/** Says what one grant opens, `most` at most. */
export type Open = (access: AnyAccess, most: number) => Opened;

/**
 * What each grant opens through a gateway that denies by default: all that the grants allow, added up. The nodes' rules, the status
 * of a grant and `sallyport access` are all made from it.
 *
 * A grant needs nobody's word but its own, and where there are too many the oldest go first, so two nodes that see the same objects open
 * the same. Its end is read from the object itself, by any clock, so it ends while the operator is down.
 */
export function openedBy(
  gateway: AccessGateway,
  members: Iterable<AccessMember>,
  objects: AccessObjects,
): Iterable<Opened> {
  return openedInTurn(gateway, objects, opening(gateway, members, objects.world));
}

/** The same by whoever says what a grant opens. */
export function* openedInTurn(
  gateway: AccessGateway,
  objects: Pick<AccessObjects, 'accesses' | 'now'>,
  open: Open,
): Iterable<Opened> {
  let room = MOST_OF_A_GATEWAY;
  for (const access of held(gateway, objects)) {
    const opened = open(access, Math.min(room, MOST_OF_A_GRANT));
    yield opened.isCut && room < MOST_OF_A_GRANT ? { ...opened, isLate: true } : opened;
    room -= openings(opened);
  }
}

/** How much a grant opens, in single openings. */
export function openings({ services, ranges }: Opened): number {
  return services.length + ranges.length;
}

/** Resolves a grant among these objects whenever it is asked. */
export function opening(gateway: AccessGateway, members: Iterable<AccessMember>, world: AccessWorld): Open {
  const all = new Map([...members].map((member) => [keyOf(member.peer.metadata), member]));
  return (access, most) => {
    const resolved = resolveAccess(access, world);
    const inside = resolved.peers.flatMap(({ metadata }) => all.get(keyOf(metadata)) ?? []);
    return openedWithin(gateway, { resolved, inside }, most);
  };
}

/** Who may reach which port of which Service. */
export function* accessOf(
  gateway: AccessGateway,
  members: Iterable<AccessMember>,
  objects: AccessObjects,
): Iterable<AttributedGrant> {
  for (const { services } of openedBy(gateway, members, objects)) yield* services;
}

/** Both, as the nodes of the gateway need them. */
export function granted(gateway: AccessGateway, members: readonly AccessMember[], objects: AccessObjects): Granted {
  if (gateway.accessDefault === 'Allow') return NOTHING_GRANTED;
  return addedUp(openedBy(gateway, members, objects));
}

/** All that these grants open. */
export function addedUp(opened: Iterable<Opened>): Granted {
  const all = [...opened];
  return {
    services: all.flatMap(({ services }) => services),
    ranges: all.flatMap(({ ranges }) => ranges),
    cut: all.filter(({ isLate }) => isLate === true).map(({ access }) => access),
  };
}

function openedWithin(gateway: AccessGateway, one: Held, most: number): Opened {
  const { access } = one.resolved;
  const services = servicesIn(gateway, one)
    .take(most + 1)
    .toArray();
  const ranges = rangesIn(gateway, one)
    .take(most + 1 - services.length)
    .toArray();
  if (services.length + ranges.length <= most) return { access, services, ranges, isCut: false };
  // Now the order matters.
  const sorted = inOrder(one);
  const first = servicesIn(gateway, sorted).take(most).toArray();
  const rest = rangesIn(gateway, sorted)
    .take(most - first.length)
    .toArray();
  return { access, services: first, ranges: rest, isCut: true };
}

/** Devices by age, Services by name: the same on every node. */
function inOrder({ resolved, inside }: Held): Held {
  const nameOf = ({ service, protocol, port }: Destination) => `${keyOf(service.metadata)} ${protocol} ${port}`;
  return {
    resolved: { ...resolved, destinations: sortedBy(resolved.destinations, nameOf) },
    inside: sortedBy(inside, ({ peer }) => ageOf(peer)),
  };
}

function ageOf({ metadata }: KubernetesObject): string {
  return `${metadata.creationTimestamp ?? ''} ${keyOf(metadata)}`;
}

/** The text of each is made once. */
function sortedBy<T>(all: readonly T[], text: (one: T) => string): readonly T[] {
  const texts = all.map((one) => ({ one, text: text(one) }));
  return texts.sort((one, other) => (one.text < other.text ? -1 : 1)).map(({ one }) => one);
}

function* servicesIn(gateway: AccessGateway, { resolved, inside }: Held): Generator<AttributedGrant> {
  const { access, destinations } = resolved;
  const open = destinations.map((destination) => ({
    destination,
    addresses: destination.addresses.filter((address) => leadsTo(gateway, address)),
  }));
  for (const member of inside)
    for (const { destination, addresses } of open) yield* pairs({ access, member, destination }, addresses);
}

function* rangesIn(gateway: AccessGateway, { resolved, inside }: Held): Generator<AttributedRange> {
  const { access, ranges } = resolved;
  const open = ranges.flatMap((range) => advertisedIn(gateway, range).map((cidr) => ({ ...range, cidr })));
  for (const member of inside)
    for (const { cidr, open: port } of open)
      for (const peer of member.addresses)
        if (addressFamily(peer) === cidrFamily(cidr)) yield { access, member, peer, cidr, open: port };
}

/** What of a range the gateway advertises: of two prefixes that overlap, the narrower. */
export function advertisedIn({ routedCidrs }: AccessGateway, { cidr }: Range): readonly Cidr[] {
  return routedCidrs
    .filter((advertised) => cidrsOverlap(advertised, cidr))
    .map((advertised) => (cidrLength(advertised) > cidrLength(cidr) ? advertised : cidr));
}

interface Held {
  readonly resolved: Resolved;
  readonly inside: readonly AccessMember[];
}

/** The grants that hold at the gateway now, oldest first. */
function held(
  gateway: AccessGateway,
  { accesses, now }: Pick<AccessObjects, 'accesses' | 'now'>,
): readonly AnyAccess[] {
  const all = [...accesses].filter((access) => isFor(access, gateway.name) && !hasEnded(access, now));
  return sortedBy(all, ageOf);
}

/** Whether the grant is meant for the gateway. */
export function isFor({ spec }: AnyAccess, gateway: string): boolean {
  return spec.gateways?.includes(gateway) !== false;
}

/** Whether the grant itself says that it is over. `now` is in milliseconds since the epoch. */
export function hasEnded(access: AnyAccess, now: number): boolean {
  return access.metadata.deletionTimestamp !== undefined || endOf(access) <= now;
}

/** When the grant ends, in milliseconds since the epoch; infinity for never, and long ago for a time that nobody can read. */
export function endOf({ spec }: AnyAccess): number {
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
