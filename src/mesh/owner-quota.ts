import { findCondition } from '../api/conditions.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { keyOf, type ObjectKey } from '../api/resource.ts';
import { olderFirst } from './age.ts';
import { expiryOf } from './members.ts';

/**
 * How many devices somebody may have at a time. The oldest are let in: so nobody loses a device because another one is added, and a tie is
 * decided alike by every replica. An expired device counts no longer, a suspended one does, for it may come back at any moment.
 */
export class OwnerQuota {
  /** Devices for each owner; infinity for any number. */
  readonly most: number;
  readonly #peers = new Map<string, Map<ObjectKey, MeshPeer>>();
  readonly #owners = new Map<ObjectKey, string>();

  constructor(most = Number.POSITIVE_INFINITY) {
    this.most = most;
  }

  /** Takes a peer's present state, or its absence, into account; returns the other peers of its owners that this may decide anew. */
  set(key: ObjectKey, peer: MeshPeer | undefined): ReadonlySet<ObjectKey> {
    if (!this.isSet) return new Set();
    const before = this.#owners.get(key);
    const owner = peer?.spec.owner;
    const was = before === undefined ? undefined : this.#of(before).get(key);
    if (before !== undefined) this.#of(before).delete(key);
    if (owner === undefined || peer === undefined) this.#owners.delete(key);
    else {
      this.#owners.set(key, owner);
      this.#of(owner).set(key, peer);
    }
    if (before === owner && was !== undefined && peer !== undefined && counted(was) === counted(peer)) return new Set();
    const others = [before, owner].flatMap((name) => (name === undefined ? [] : [...this.#of(name).keys()]));
    return new Set(others.filter((other) => other !== key));
  }

  /** Whether there is one at all. Then a device without an owner is nobody's to count, and not let in. */
  get isSet(): boolean {
    return this.most !== Number.POSITIVE_INFINITY;
  }

  /** The devices of the peer's owner that go first, where they are as many as one owner may have; undefined while there is room for the peer. */
  ahead(peer: MeshPeer, now: number): readonly MeshPeer[] | undefined {
    const { owner } = peer.spec;
    if (owner === undefined || !this.isSet) return undefined;
    const key = keyOf(peer.metadata);
    const first = [...this.#of(owner)].flatMap(([other, one]) =>
      other !== key && expiryOf(one) > now && olderFirst(one, peer) < 0 ? [one] : [],
    );
    return first.length < this.most ? undefined : first.sort(olderFirst);
  }

  #of(owner: string): Map<ObjectKey, MeshPeer> {
    const found = this.#peers.get(owner) ?? new Map();
    this.#peers.set(owner, found);
    return found;
  }
}

/** What of a peer decides whether it counts and how old it is; that its time has come shows in its status. */
function counted({ metadata, spec, status }: MeshPeer): string {
  const accepted = findCondition(status?.conditions ?? [], 'Accepted');
  return JSON.stringify([metadata.creationTimestamp, spec.expiresAt, accepted?.reason === 'Expired']);
}
