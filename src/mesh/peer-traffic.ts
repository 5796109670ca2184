import type { PublicKey } from '../net/key.ts';
import type { SeenPeer } from './sessions.ts';

/** Bytes of WireGuard's packets, headers and keepalives included. */
export interface Bytes {
  readonly received: number;
  readonly sent: number;
}

/** While a gateway has two keys, each of their interfaces counts for itself. */
type Counters = { readonly [I in 'own' | 'other']?: Bytes };

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
    for (const { publicKey, receivedBytes, sentBytes, isByOtherKey } of observed.values()) {
      const known = this.#before?.get(publicKey);
      const side = isByOtherKey === true ? 'other' : 'own';
      after.set(publicKey, { ...known, [side]: { received: receivedBytes, sent: sentBytes } });
      if (this.#before === undefined) continue;
      received += grownBy(known?.[side]?.received, receivedBytes);
      sent += grownBy(known?.[side]?.sent, sentBytes);
    }
    this.#before = after;
    return { received, sent };
  }
}

/** What a counter has counted since it stood at `before`; one that stands lower has begun anew. */
export function grownBy(before: number | undefined, after: number): number {
  return before === undefined || after < before ? after : after - before;
}
