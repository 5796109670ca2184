import type { ObjectKey } from '../api/resource.ts';
import type { ObservedPeer } from '../dataplane/wireguard/device.ts';
import type { PublicKey } from '../net/key.ts';
import type { Member } from './members.ts';

/** What of an interface's peers tells which key a device uses. */
export type SeenPeers = ReadonlyMap<PublicKey, Pick<ObservedPeer, 'latestHandshake' | 'allowedIPs'>>;

/**
 * Which of a device's keys has its addresses on a node, by one look at the interface: AllowedIPs belong to one peer of an interface, and a
 * device has one private key at a time, so it is the key whose handshake is the latest. WireGuard tells handshakes by the second: of two in
 * the same one nobody knows the later, so the addresses stay where they are; and before any handshake the first key has them.
 */
export function keyInUse(keys: readonly [PublicKey, ...PublicKey[]], seen: SeenPeers): PublicKey {
  let best = keys[0];
  for (const key of keys) if (isLater(seen.get(key), seen.get(best))) best = key;
  return best;
}

/** Of each member that has two keys, which one has its addresses. */
export class KeyPairs {
  readonly #pairs = new Map<ObjectKey, { readonly inUse: PublicKey; readonly since: number }>();

  /** Takes a member's present keys in; `now` is in milliseconds since the epoch. A member that had two keys before goes on with the one in use. */
  follow(key: ObjectKey, member: Member | undefined, now: number): void {
    const [first, second] = member?.publicKeys ?? [];
    const inUse = this.inUse(key);
    if (first === undefined || second === undefined) this.#pairs.delete(key);
    else if (inUse !== first && inUse !== second) this.#pairs.set(key, { inUse: first, since: now });
  }

  /** The key that has the member's addresses; undefined for one that has not two. */
  inUse(key: ObjectKey): PublicKey | undefined {
    return this.#pairs.get(key)?.inUse;
  }

  /** Decides anew by what was seen in the interface, each among the keys that are the member's. Returns the keys that lost or got addresses. */
  see(keysOf: (key: ObjectKey) => readonly PublicKey[], seen: SeenPeers): ReadonlySet<PublicKey> {
    const touched = new Set<PublicKey>();
    for (const [key, { inUse, since }] of this.#pairs) {
      const keys = keysOf(key);
      const [first, ...others] = keys;
      const now = first === undefined ? inUse : keyInUse([first, ...others], seen);
      if (now === inUse) continue;
      this.#pairs.set(key, { inUse: now, since });
      for (const one of keys) touched.add(one);
    }
    return touched;
  }

  /** When the latest member got a second key, in milliseconds since the epoch; minus infinity when none has one. */
  get latest(): number {
    let latest = Number.NEGATIVE_INFINITY;
    for (const { since } of this.#pairs.values()) latest = Math.max(latest, since);
    return latest;
  }
}

type SeenPeer = SeenPeers extends ReadonlyMap<PublicKey, infer P> ? P : never;

function isLater(one: SeenPeer | undefined, other: SeenPeer | undefined): boolean {
  const [shook, otherShook] = [one?.latestHandshake ?? 0, other?.latestHandshake ?? 0];
  if (shook !== otherShook) return shook > otherShook;
  return shook > 0 && holdsAddresses(one) && !holdsAddresses(other);
}

function holdsAddresses(peer: SeenPeer | undefined): boolean {
  return (peer?.allowedIPs.length ?? 0) > 0;
}
