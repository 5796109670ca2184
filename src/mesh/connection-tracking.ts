import { type Reason, type Verdict, verdict } from '../api/conditions.ts';
import { keyOf, type ObjectKey } from '../api/resource.ts';
import type { ConnectionTracking, TrackedSource } from '../dataplane/connection-tracking.ts';
import type { IpAddress } from '../net/address.ts';
import { cidrBase } from '../net/cidr.ts';
import type { PeerTable } from './peer-table.ts';
import { some } from './view.ts';

/** A device with many entries of a node's connection tracking. */
export interface Holder {
  readonly peer: ObjectKey;
  /** Of all that the node has room for, in percent. */
  readonly percent: number;
}

/** A device that may open no more connections for now. */
export interface FullDevice {
  readonly peer: ObjectKey;
  readonly addresses: readonly IpAddress[];
}

/** How a node's connection tracking stands. */
export interface TrackingStanding {
  /** The last reading. It changes all the time, so no status tells it. */
  readonly reading: ConnectionTracking;
  readonly isNearlyFull: boolean;
  /** Who had most of it when somebody looked last, while it is nearly full; undefined until somebody has looked. */
  readonly holders: readonly Holder[] | undefined;
}

type Tracked = ReadonlyMap<IpAddress, Pick<TrackedSource, 'entries' | 'open'>>;
type Members = Pick<PeerTable, 'memberAt'>;

/** It is nearly full from so much on, and has room again below the other: a number that swings around one of them tells nothing. */
const NEARLY_FULL = 0.8;
const ROOM_AGAIN = 0.7;

/** A device that may open no more may again once it has so much of its limit: one that closes and opens around it is not told each time. */
const ROOM_FOR_DEVICE = 0.9;

/** Whoever has less than this is no cause, and more names than these help nobody. */
const LEAST_PERCENT = 5;
const MOST_HOLDERS = 3;

/** Whether it is nearly full by this reading; `before` is what was said last. */
export function isNearlyFull({ entries, most }: ConnectionTracking, before: boolean): boolean {
  return most > 0 && entries >= most * (before ? ROOM_AGAIN : NEARLY_FULL);
}

/** The devices that have a good part of what there is room for, whoever has most first. */
export function holders(tracked: Tracked, { most }: ConnectionTracking, table: Members): readonly Holder[] {
  return byDevice(tracked, table)
    .map(({ peer, entries }) => ({ peer, percent: Math.round((entries / most) * 100) }))
    .filter(({ percent }) => percent >= LEAST_PERCENT)
    .sort((one, other) => other.percent - one.percent || (one.peer < other.peer ? -1 : 1))
    .slice(0, MOST_HOLDERS);
}

/**
 * The devices that have as many connections open as `limit` allows, or more, over all of their addresses; and those of `before` that have
 * not closed a good part of them since.
 */
export function fullDevices(
  tracked: Tracked,
  limit: number,
  table: Members,
  before: readonly FullDevice[] = [],
): readonly FullDevice[] {
  const were = new Set(before.map(({ peer }) => peer));
  return byDevice(tracked, table)
    .filter(({ peer, open }) => open >= limit || (were.has(peer) && open > limit * ROOM_FOR_DEVICE))
    .map(({ peer, addresses }) => ({ peer, addresses }))
    .sort((one, other) => (one.peer < other.peer ? -1 : 1));
}

/** Whether some device may be full by this reading: nobody has more than all together. `before` as in `fullDevices`. */
export function mayBeFull({ entries }: ConnectionTracking, limit: number, before: readonly FullDevice[]): boolean {
  return limit > 0 && (before.length > 0 ? entries > limit * ROOM_FOR_DEVICE : entries >= limit);
}

/** What an Event says of devices that may open no more through a node. */
export function tooManyConnections(node: string, devices: readonly FullDevice[], limit: number): string {
  const names = some(devices.map(({ peer }) => peer));
  const they = devices.length === 1 ? 'has' : 'have';
  return `Through node ${node}, ${names} ${they} as many connections open as spec.access.maxConnections (${limit}) allows. Those go on; more are refused until some are closed.`;
}

/** What a node says of its connection tracking. */
export function trackingVerdict(standing: TrackingStanding | undefined): Verdict<'MeshGatewayNode'> {
  const say = (
    status: 'True' | 'False' | 'Unknown',
    reason: Reason<'MeshGatewayNode', 'ConnectionTracking'>,
    message: string,
  ) => verdict('MeshGatewayNode', 'ConnectionTracking', status, reason, message);
  if (standing === undefined)
    return say('Unknown', 'NotObserved', "The node's connection tracking has not been looked at yet.");
  if (standing.isNearlyFull) return say('False', 'NearlyFull', nearlyFull(standing));
  return say('True', 'Enough', "There is room in the node's connection tracking.");
}

/** A device's addresses count together, and so no other's. */
function byDevice(tracked: Tracked, table: Members) {
  const found = new Map<ObjectKey, { entries: number; open: number; readonly addresses: readonly IpAddress[] }>();
  for (const [address, { entries, open }] of tracked) {
    const member = table.memberAt(address);
    if (member === undefined) continue;
    const peer = keyOf(member.peer.metadata);
    const seen = found.get(peer) ?? { entries: 0, open: 0, addresses: member.addresses.map(cidrBase) };
    seen.entries += entries;
    seen.open += open;
    found.set(peer, seen);
  }
  return [...found].map(([peer, seen]) => ({ peer, ...seen }));
}

function nearlyFull({ reading: { most }, holders }: TrackingStanding): string {
  const who =
    holders === undefined
      ? 'Which devices have most of it is not known yet.'
      : holders.length === 0
        ? 'No device of this gateway has much of it, so see who else has (conntrack -L on the node).'
        : `Of it ${holders.map(({ peer, percent }) => `${peer} has ${percent} %`).join(', ')}: suspend a device that is not to have so much (spec.suspended of the MeshPeer), or lower spec.access.maxConnections or spec.access.newConnectionsPerSecond of the MeshGateway.`;
  return `More than ${ROOM_AGAIN * 100} % of the node's connection tracking (net.netfilter.nf_conntrack_max, ${most}) is in use, and once it is full nobody opens a connection through this node, pods and the node itself included. ${who} To have more room: sysctl -w net.netfilter.nf_conntrack_max=${most * 2} on the node; kube-proxy sets it anew when it starts, by conntrack.maxPerCore and conntrack.min of its configuration.`;
}
