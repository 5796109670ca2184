import type { MeshPeer } from '../api/meshpeer.ts';
import { keyOf, type ObjectKey } from '../api/resource.ts';
import { olderFirst } from './age.ts';

/** What a peer asks for or holds that no other peer may have: public keys and mesh addresses. */
type Claim = string;

/** What the operator has just decided to give a peer, before the API server has told it back. */
export interface Grant {
  readonly publicKey: string;
  readonly addresses: readonly string[];
}

/**
 * Who claims which public key and which mesh address. Whoever holds a claim by its status keeps it for as long as it asks for it;
 * a claim that nobody holds goes to the oldest who asks. So nobody can take a key or an address away from the peer that has it,
 * whatever is edited later, and a tie is decided alike by every replica.
 */
export class Claims {
  readonly #peers = new Map<ObjectKey, MeshPeer>();
  readonly #claimants = new Map<Claim, Set<ObjectKey>>();
  readonly #grants = new Map<ObjectKey, Grant>();

  /** Takes a peer's present state, or its absence, into account; returns the other peers whose claims this may decide anew. */
  set(key: ObjectKey, peer: MeshPeer | undefined): ReadonlySet<ObjectKey> {
    const before = this.#claimsOf(key);
    if (peer === undefined) this.#peers.delete(key);
    else this.#peers.set(key, peer);
    const grant = this.#grants.get(key);
    if (grant !== undefined && (peer === undefined || isToldBack(grant, peer))) this.#grants.delete(key);
    return this.#reindex(key, before);
  }

  /** Counts a decision at once, so that the next decision sees it before the API server has told it back. */
  grant(key: ObjectKey, grant: Grant): void {
    const before = this.#claimsOf(key);
    this.#grants.set(key, grant);
    this.#reindex(key, before);
  }

  /** Forgets a decision that could not be stored. */
  withdraw(key: ObjectKey): void {
    const before = this.#claimsOf(key);
    this.#grants.delete(key);
    this.#reindex(key, before);
  }

  /** Who has the key or address; undefined while nobody asks for it. */
  winnerOf(claim: Claim): MeshPeer | undefined {
    const asking = [...(this.#claimants.get(claim) ?? [])].flatMap((key) => this.#peers.get(key) ?? []);
    const holding = asking.filter((peer) => this.#holds(peer, claim));
    return (holding.length > 0 ? holding : asking).sort(olderFirst)[0];
  }

  /** Whether somebody other than this peer has the key or address. */
  isTakenFrom(key: ObjectKey, claim: Claim): boolean {
    const winner = this.winnerOf(claim);
    return winner !== undefined && keyOf(winner.metadata) !== key;
  }

  #holds(peer: MeshPeer, claim: Claim): boolean {
    const held = this.#grants.get(keyOf(peer.metadata)) ?? peer.status;
    return held?.publicKey === claim || (held?.addresses?.includes(claim) ?? false);
  }

  #claimsOf(key: ObjectKey): ReadonlySet<Claim> {
    const peer = this.#peers.get(key);
    const grant = this.#grants.get(key);
    const granted = grant === undefined ? [] : [grant.publicKey, ...grant.addresses];
    return new Set(peer === undefined ? granted : [...asked(peer), ...granted]);
  }

  #reindex(key: ObjectKey, before: ReadonlySet<Claim>): ReadonlySet<ObjectKey> {
    const after = this.#claimsOf(key);
    const rivals = new Set<ObjectKey>();
    for (const claim of new Set([...before, ...after])) {
      const claimants = this.#claimants.get(claim) ?? new Set();
      for (const other of claimants) if (other !== key) rivals.add(other);
      if (after.has(claim)) this.#claimants.set(claim, claimants.add(key));
      else if (claimants.delete(key) && claimants.size === 0) this.#claimants.delete(claim);
    }
    return rivals;
  }
}

/** A wish replaces what the peer holds in the same family; a peer that is being deleted keeps all it holds until it is gone. */
function asked(peer: MeshPeer): readonly Claim[] {
  const wished = peer.spec.addresses ?? [];
  const isKept = (address: Claim) => wished.includes(address) || !wished.some((wish) => sameFamily(wish, address));
  const held = (peer.status?.addresses ?? []).filter(isKept);
  const heldKey = peer.status?.publicKey;
  return [peer.spec.publicKey, ...(heldKey === undefined ? [] : [heldKey]), ...wished, ...held];
}

function sameFamily(one: Claim, other: Claim): boolean {
  return one.includes(':') === other.includes(':');
}

function isToldBack(grant: Grant, peer: MeshPeer): boolean {
  const status = peer.status;
  return (
    status?.publicKey === grant.publicKey &&
    status.addresses?.length === grant.addresses.length &&
    grant.addresses.every((address, index) => status.addresses?.[index] === address)
  );
}
