import type { MeshPeer } from '../api/meshpeer.ts';
import type { ObjectKey } from '../api/resource.ts';
import { expiryOf } from './members.ts';

/**
 * Peers by expiry, of which only one end is asked for: the next to go, or the last that went. That end is remembered, so that
 * asking costs nothing unless it was this one that changed.
 */
export class Deadlines {
  readonly #peers = new Map<ObjectKey, { readonly peer: MeshPeer; readonly expiry: number }>();
  readonly #pick: (one: number, other: number) => number;
  readonly #none: number;
  #end: number | undefined;

  private constructor(pick: (one: number, other: number) => number, none: number) {
    this.#pick = pick;
    this.#none = none;
    this.#end = none;
  }

  /** Asked for the earliest; infinity when there is none. */
  static earliest(): Deadlines {
    return new Deadlines(Math.min, Number.POSITIVE_INFINITY);
  }

  /** Asked for the latest; minus infinity when there is none. */
  static latest(): Deadlines {
    return new Deadlines(Math.max, Number.NEGATIVE_INFINITY);
  }

  /** Puts a peer in or, when it is undefined, takes it out. */
  set(key: ObjectKey, peer: MeshPeer | undefined): void {
    if (this.#peers.get(key)?.expiry === this.#end) this.#end = undefined;
    if (peer === undefined) {
      this.#peers.delete(key);
      return;
    }
    const expiry = expiryOf(peer);
    this.#peers.set(key, { peer, expiry });
    if (this.#end !== undefined) this.#end = this.#pick(this.#end, expiry);
  }

  /** The end that this is asked for, in milliseconds since the epoch. */
  get end(): number {
    if (this.#end === undefined) {
      this.#end = this.#none;
      for (const { expiry } of this.#peers.values()) this.#end = this.#pick(this.#end, expiry);
    }
    return this.#end;
  }

  /** Peers whose expiry satisfies the condition. */
  where(isWanted: (expiry: number) => boolean): readonly (readonly [ObjectKey, MeshPeer])[] {
    return [...this.#peers].flatMap(([key, { peer, expiry }]) => (isWanted(expiry) ? [[key, peer] as const] : []));
  }
}
