import type { ReportedConnection } from '../api/meshgatewaynode.ts';
import { keyOf, type ObjectKey } from '../api/resource.ts';
import { milliseconds, timestamp } from '../api/timestamp.ts';
import type { ObservedPeer } from '../dataplane/wireguard/device.ts';
import type { PeerTable } from './peer-table.ts';

/** A session's keys are rejected after 180 seconds (WireGuard's REJECT_AFTER_TIME); one younger than that can carry packets. */
export const SESSION_MS = 180_000;

/** A reported handshake may be this much older than the real one, in milliseconds: reports tell of sessions, not of each handshake. */
export const HANDSHAKE_LAG_MS = 5 * 60_000;

/** A peer as seen, and whether its last handshake was by another key of the gateway than the one that devices are told. */
export interface SeenPeer extends ObservedPeer {
  readonly isByOtherKey?: true;
}

/**
 * The live sessions among a node's peers, as its report tells them. What was reported before keeps its `since` while the session
 * lasts, and its `lastHandshake` until one of them is minutes old, when all are told anew in one report: so a thousand devices' handshakes cost as few
 * reports as one device's. But of a device that has a session with another node too, each handshake counts.
 */
export function liveSessions(
  observed: Iterable<SeenPeer>,
  table: Pick<PeerTable, 'memberWith' | 'isInUse'>,
  before: readonly ReportedConnection[],
  now: number,
  others: Others = ALONE,
): readonly ReportedConnection[] {
  const reported = new Map(before.map((connection) => [connection.peer, connection]));
  const live: Session[] = [];
  for (const peer of observed) {
    const session = liveSession(peer, { table, reported, now, others });
    if (session !== undefined) live.push(session);
  }
  const isOld = live.some(lagsBehind);
  const told = live.map(({ real, told }) => (isOld || told === undefined ? real : { ...real, lastHandshake: told }));
  return told.sort((one, other) => (one.peer < other.peer ? -1 : 1));
}

/** A session with its real handshake. */
interface Session {
  readonly real: ReportedConnection;
  /** The handshake that was told of it and may be told further; undefined where the real one counts. */
  readonly told: string | undefined;
}

function lagsBehind({ real, told }: Session): boolean {
  return told !== undefined && !(Math.abs(milliseconds(real.lastHandshake) - milliseconds(told)) < HANDSHAKE_LAG_MS);
}

/** What sessions are judged by. */
interface Known {
  readonly table: Pick<PeerTable, 'memberWith' | 'isInUse'>;
  readonly reported: ReadonlyMap<string, ReportedConnection>;
  readonly now: number;
  readonly others: Others;
}

/** What a node's sessions have to do with the gateway's other nodes. */
export interface Others {
  /** Whether another node has a session of the device too. */
  isShared(peer: ObjectKey): boolean;
  /** Whether the device may go to another node. */
  isReleased(peer: ObjectKey): boolean;
}

const ALONE: Others = { isShared: () => false, isReleased: () => false };

function liveSession(
  { publicKey, endpoint, latestHandshake, isByOtherKey }: SeenPeer,
  { table, reported, now, others }: Known,
): Session | undefined {
  const handshake = latestHandshake * 1000;
  if (endpoint === undefined || !isLive(handshake, now)) return undefined;
  // Last: of ten thousand peers few have a session, and a report is made several times a second while peers come in.
  const member = table.memberWith(publicKey);
  // Of a device's two keys, the one that it has left may have had its last handshake just now.
  if (member === undefined || !table.isInUse(publicKey)) return undefined;
  const peer = keyOf(member.peer.metadata);
  const before = reported.get(peer);
  const real = {
    peer,
    endpoint,
    lastHandshake: timestamp(handshake),
    since: before?.since ?? timestamp(handshake),
    ...(member.publicKeys.length > 1 ? { publicKey } : {}),
    ...(others.isReleased(peer) ? { released: true } : {}),
    ...(isByOtherKey === true ? { byOtherKey: true } : {}),
  };
  const mayKeep = before?.endpoint === endpoint && !others.isShared(peer);
  return { real, told: mayKeep ? before.lastHandshake : undefined };
}

/** Whether a reported session, of which the handshake may be older than the real one, may be a live one still. */
export function isRecent(lastHandshake: string, now: number): boolean {
  return Math.abs(now - milliseconds(lastHandshake)) <= SESSION_MS + HANDSHAKE_LAG_MS;
}

/** Whether a session of that handshake can carry packets; both in milliseconds. A clock that ran ahead leaves handshakes behind that would look live until it gets there again. */
export function isLive(handshake: number, now: number): boolean {
  return Math.abs(now - handshake) <= SESSION_MS;
}
