import { isTrue } from '../api/conditions.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { milliseconds } from '../api/timestamp.ts';
import { addressesIn } from '../net/address.ts';
import { type Cidr, hostCidr } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';

/** A peer that a gateway lets in, reduced to what its nodes need. */
export interface Member {
  readonly peer: MeshPeer;
  readonly publicKey: PublicKey;
  readonly addresses: readonly Cidr[];
}

/**
 * The peer as a member of a gateway at a moment, or undefined when the gateway's nodes must not let it in.
 *
 * Entry takes the operator's word: Accepted, with a key, addresses and this gateway in status. Exit does not: deletion,
 * suspension and expiry are read from the object itself, so revocation works while the operator is down.
 */
export function memberOf(gateway: string, peer: MeshPeer, now: number): Member | undefined {
  const status = peer.status;
  if (status?.publicKey === undefined || !status.gateways?.includes(gateway)) return undefined;
  if (!isTrue(status.conditions ?? [], 'Accepted') || isRevoked(peer, now)) return undefined;
  return {
    peer,
    publicKey: status.publicKey as PublicKey,
    addresses: addressesIn(status.addresses ?? []).map(hostCidr),
  };
}

/** Whether the object itself says that the device must be out, whatever its status. `now` is in milliseconds since the epoch. */
export function isRevoked(peer: MeshPeer, now: number): boolean {
  return peer.metadata.deletionTimestamp !== undefined || peer.spec.suspended || expiryOf(peer) <= now;
}

/** When the peer expires, in milliseconds since the epoch; infinity for never. */
export function expiryOf(peer: MeshPeer): number {
  return peer.spec.expiresAt === undefined ? Number.POSITIVE_INFINITY : milliseconds(peer.spec.expiresAt);
}
