import type { PublicKey } from '../net/key.ts';
import type { SeenPeer } from './sessions.ts';

/** Bytes of WireGuard's packets, headers and keepalives included. */
export interface Bytes {
  readonly received: number;
  readonly sent: number;
}

/** While a gateway has two keys, each of their interfaces counts for itself. */
export type Counters = { readonly [I in 'own' | 'other']?: Bytes };

/**
 * What went through a node's interface since the last look, whoever has come and gone. What was there before the first look was counted by
 * an agent before this one, or by none.
 */
export class PeerTraffic {
  #before: ReadonlyMap<PublicKey, Counters> | undefined;

  /** Takes in what was seen in the interface; a smaller counter than before is one that began anew. */
  take(observed: ReadonlyMap<PublicKey, SeenPeer>): Bytes {
    const after = new Map<PublicKey, Counters>();
    let [received, sent] = [0, 0];
    for (const peer of observed.values()) {
      const { counters, grown } = counted(this.#before?.get(peer.publicKey), peer);
      after.set(peer.publicKey, counters);
      if (this.#before === undefined) continue;
      received += grown.received;
      sent += grown.sent;
    }
    this.#before = after;
    return { received, sent };
  }
}

/** The counters of a peer as they stand now, and what they have counted since they stood at `known`. */
export function counted(
  known: Counters | undefined,
  { receivedBytes, sentBytes, isByOtherKey }: SeenPeer,
): { readonly counters: Counters; readonly grown: Bytes } {
  const side = isByOtherKey === true ? 'other' : 'own';
  return {
    counters: { ...known, [side]: { received: receivedBytes, sent: sentBytes } },
    grown: {
      received: grownBy(known?.[side]?.received, receivedBytes),
      sent: grownBy(known?.[side]?.sent, sentBytes),
    },
  };
}

/** What a counter has counted since it stood at `before`; one that stands lower has begun anew. */
export function grownBy(before: number | undefined, after: number): number {
  return before === undefined || after < before ? after : after - before;
}
