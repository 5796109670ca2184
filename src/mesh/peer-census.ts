import type { PublicKey } from '../net/key.ts';
import type { PeerTable } from './peer-table.ts';
import { isLive, type SeenPeer } from './sessions.ts';

/** How a peer stands with one node: with a session that can carry packets, with one that has ended, or without any so far. */
export const PEER_STATES = ['connected', 'idle', 'never'] as const;
export type PeerState = (typeof PEER_STATES)[number];

/** How long ago a peer last shook hands, each class without those before it. */
export const HANDSHAKE_AGES = ['under_3m', 'under_1h', 'under_1d', 'older'] as const;
export type HandshakeAge = (typeof HANDSHAKE_AGES)[number];

const AGES_MS: readonly (readonly [HandshakeAge, number])[] = [
  ['under_3m', 3 * 60_000],
  ['under_1h', 60 * 60_000],
  ['under_1d', 24 * 60 * 60_000],
  ['older', Number.POSITIVE_INFINITY],
];

/** How many of a node's peers stand how. */
export interface PeerCensus {
  readonly states: Readonly<Record<PeerState, number>>;
  /** Of those that ever shook hands. */
  readonly ages: Readonly<Record<HandshakeAge, number>>;
}

/**
 * Counts the members of a node, each once, whatever keys it has; the node's own probe is none. `now` is in milliseconds. Of ten thousand few
 * have ever come to one node, and the cost grows with those.
 */
export function countPeers(
  observed: ReadonlyMap<PublicKey, SeenPeer>,
  table: Pick<PeerTable, 'isInUse' | 'memberCount'>,
  now: number,
): PeerCensus {
  const states = { connected: 0, idle: 0 };
  const ages = { under_3m: 0, under_1h: 0, under_1d: 0, older: 0 };
  for (const { publicKey, latestHandshake } of observed.values()) {
    if (latestHandshake === 0 || !table.isInUse(publicKey)) continue;
    const handshake = latestHandshake * 1_000;
    states[isLive(handshake, now) ? 'connected' : 'idle'] += 1;
    // A clock that was set back leaves handshakes of the future behind; they are the youngest that there are.
    ages[AGES_MS.find(([, most]) => now - handshake < most)?.[0] ?? 'older'] += 1;
  }
  const never = Math.max(0, table.memberCount - states.connected - states.idle);
  return { states: { ...states, never }, ages };
}
