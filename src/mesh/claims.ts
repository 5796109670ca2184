import { findCondition, type Reason } from '../api/conditions.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { keyOf, type ObjectKey } from '../api/resource.ts';
import { addressesIn } from '../net/address.ts';
import { oldest } from './age.ts';

/** What a peer asks for or holds that no other peer may have: public keys and mesh addresses. */
type Claim = string;

/** Reasons to refuse a peer that a change of another peer may mend. */
const CONFLICTS: readonly string[] = ['DuplicateKey', 'AddressTaken', 'PoolExhausted'] satisfies readonly Reason<
  'MeshPeer',
  'Accepted'
>[];

/** What the operator has just decided to give a peer, before the API server has told it back. */
export interface Grant {
  readonly publicKey: string;
  readonly nextPublicKey?: string | undefined;
  readonly addresses: readonly string[];
}

/**
 * Who claims which public key and which mesh address. Whoever holds a claim by its status keeps it for as long as it stands there;
 * a claim that nobody holds goes to the oldest who asks. So nobody can take a key or an address away from the peer that has it,
 * whatever is edited later, and a tie is decided alike by every replica. A peer that is refused for a reason of its own does not
 * ask: it could otherwise keep others from a key or an address without ever being let in.
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
    return oldest(asking.filter((peer) => this.#holds(peer, claim))) ?? oldest(asking);
  }

  /** Whether somebody other than this peer has the key or address. */
  isTakenFrom(key: ObjectKey, claim: Claim): boolean {
    const winner = this.winnerOf(claim);
    return winner !== undefined && keyOf(winner.metadata) !== key;
  }

  #holds(peer: MeshPeer, claim: Claim): boolean {
    const held = this.#grants.get(keyOf(peer.metadata)) ?? peer.status;
    const keys: readonly (string | undefined)[] = [held?.publicKey, held?.nextPublicKey];
    return keys.includes(claim) || (held?.addresses?.includes(claim) ?? false);
  }

  #claimsOf(key: ObjectKey): ReadonlySet<Claim> {
    const peer = this.#peers.get(key);
    const grant = this.#grants.get(key);
    const granted = grant === undefined ? [] : [...keysIn(grant), ...grant.addresses];
    return new Set(peer === undefined ? granted : [...claimed(peer), ...granted]);
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

/** What stands in the status counts in any case, for as long as it stands there: nodes may still let the peer in with it. */
function claimed({ metadata, spec, status }: MeshPeer): readonly Claim[] {
  const held = [...keysIn(status), ...(status?.addresses ?? [])];
  const accepted = findCondition(status?.conditions ?? [], 'Accepted');
  const isCurrent = accepted?.observedGeneration === metadata.generation;
  const isHopeless = accepted?.status === 'False' && isCurrent && !CONFLICTS.includes(accepted.reason);
  return isHopeless ? held : [...held, ...keysIn(spec), ...addressesIn(spec.addresses ?? [])];
}

/** Both keys of a device that changes its key count alike. */
function keysIn(
  from: { readonly publicKey?: string | undefined; readonly nextPublicKey?: string | undefined } | undefined,
): readonly Claim[] {
  return [from?.publicKey, from?.nextPublicKey].flatMap((key) => key ?? []);
}

function isToldBack(grant: Grant, peer: MeshPeer): boolean {
  const status = peer.status;
  return (
    status?.publicKey === grant.publicKey &&
    status.nextPublicKey === grant.nextPublicKey &&
    status.addresses?.length === grant.addresses.length &&
    grant.addresses.every((address, index) => status.addresses?.[index] === address)
  );
}
