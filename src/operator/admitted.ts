import { isTrue } from '../api/conditions.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import type { ObjectKey } from '../api/resource.ts';

/** Who is let in by which gateway: counted as peers come and go, because ten thousand are too many to be asked for each count. */
export class Admitted {
  readonly #gatewaysOf = new Map<ObjectKey, readonly string[]>();
  readonly #peersOf = new Map<string, Set<ObjectKey>>();

  /** Takes a peer's present state, or its absence, into account. */
  set(key: ObjectKey, peer: MeshPeer | undefined): void {
    for (const gateway of this.#gatewaysOf.get(key) ?? []) this.#peersOf.get(gateway)?.delete(key);
    const { gateways = [], conditions = [] } = peer?.status ?? {};
    if (gateways.length === 0 || !isTrue(conditions, 'Accepted')) {
      this.#gatewaysOf.delete(key);
      return;
    }
    this.#gatewaysOf.set(key, gateways);
    for (const gateway of gateways) {
      const peers = this.#peersOf.get(gateway);
      if (peers === undefined) this.#peersOf.set(gateway, new Set([key]));
      else peers.add(key);
    }
  }

  /** The peers that the gateway lets in. */
  by(gateway: string): ReadonlySet<ObjectKey> {
    return this.#peersOf.get(gateway) ?? NOBODY;
  }
}

const NOBODY: ReadonlySet<ObjectKey> = new Set();
