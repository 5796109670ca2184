import type { ObjectKey } from '../api/resource.ts';
import { olderFirst } from './age.ts';
import type { Member } from './members.ts';

/** The members with a key or with an address, found without reading all. */
export class MemberIndex<K> {
  readonly #members: ReadonlyMap<ObjectKey, Member>;
  readonly #keys = new Map<K, Set<ObjectKey>>();

  constructor(members: ReadonlyMap<ObjectKey, Member>) {
    this.#members = members;
  }

  add(entry: K, key: ObjectKey): void {
    const keys = this.#keys.get(entry);
    if (keys === undefined) this.#keys.set(entry, new Set([key]));
    else keys.add(key);
  }

  drop(entry: K, key: ObjectKey): void {
    const keys = this.#keys.get(entry);
    keys?.delete(key);
    if (keys?.size === 0) this.#keys.delete(entry);
  }

  /** Those of the members that have it. */
  *of(entry: K): Iterable<Member> {
    for (const key of this.#keys.get(entry) ?? []) {
      const member = this.#members.get(key);
      if (member !== undefined) yield member;
    }
  }
}

/** Whoever was made first; a tie is decided alike everywhere. */
export function oldestMember(members: Iterable<Member>): Member | undefined {
  let best: Member | undefined;
  for (const member of members) if (best === undefined || olderFirst(member.peer, best.peer) < 0) best = member;
  return best;
}
