import { isTrue } from '../api/conditions.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { milliseconds } from '../api/timestamp.ts';
import { addressesIn } from '../net/address.ts';
import { type Cidr, hostCidr } from '../net/cidr.ts';
import { type PublicKey, parsePublicKey } from '../net/key.ts';

/** A peer that a gateway lets in, reduced to what its nodes need. */
export interface Member {
  readonly peer: MeshPeer;
  /** In this order: spec.publicKey, then spec.nextPublicKey, of those that are let in; at least one. */
  readonly publicKeys: readonly PublicKey[];
  readonly addresses: readonly Cidr[];
  /** The version of the preshared key without which it must not be let in. */
  readonly presharedKey?: string | undefined;
}

/**
 * The peer as a member of a gateway at a moment, or undefined when the gateway's nodes must not let it in.
 *
 * Entry takes the operator's word: Accepted, with a key, addresses and this gateway in status. Exit does not: deletion,
 * suspension, expiry, another key and a list without this gateway are read from the object itself, so revocation works while
 * the operator is down. So is the wish for a preshared key, which without the operator's word is a wish that nobody fulfils; to be
 * let in without one again takes that word. Of both keys of a device that changes its key each is let in by these rules for itself: it takes the
 * operator's word for this key to let it in, in whichever of the two fields, and it is out once the object wishes for it in neither. What cannot be read in a status counts as absent, because one bad key fails a whole `wg` command.
 */
export function memberOf(gateway: string, peer: MeshPeer, now: number): Member | undefined {
  const { spec, status } = peer;
  if (status === undefined || !status.gateways?.includes(gateway)) return undefined;
  if (!isTrue(status.conditions ?? [], 'Accepted') || isRevoked(peer, now)) return undefined;
  if (spec.gateways?.includes(gateway) === false) return undefined;
  const presharedKey = status.presharedKeyVersion;
  if (spec.presharedKeySecretName !== undefined && presharedKey === undefined) return undefined;
  const publicKeys = keysLetIn(peer);
  const addresses = [...new Set(addressesIn(status.addresses ?? []))].map(hostCidr);
  if (publicKeys.length === 0 || addresses.length === 0) return undefined;
  return { peer, publicKeys, addresses, ...(presharedKey === undefined ? {} : { presharedKey }) };
}

/**
 * What of a peer may turn its membership and what it is granted, and whether its nodes are waited for: the same member as the whole peer, in half the memory.
 * An agent holds every peer of the cluster and has no use for configurations, and what makes a peer's status long is for people.
 */
export function membershipOf({ apiVersion, kind, metadata, spec, status }: MeshPeer): MeshPeer {
  const { name, namespace, labels, uid, resourceVersion, creationTimestamp, deletionTimestamp, writtenBy } = metadata;
  const { publicKey, nextPublicKey, presharedKeyVersion, addresses, gateways, conditions = [] } = status ?? {};
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, labels, uid, resourceVersion, creationTimestamp, deletionTimestamp, writtenBy },
    spec,
    status: {
      publicKey,
      nextPublicKey,
      presharedKeyVersion,
      addresses,
      gateways,
      conditions: conditions.filter(({ type }) => type === 'Accepted' || type === 'Programmed'),
    },
  };
}

/** Whether the operator waits to hear from the nodes that they hold a peer, be it that they had nothing to do for it. */
export function isAwaited({ status }: MeshPeer): boolean {
  const conditions = status?.conditions ?? [];
  return isTrue(conditions, 'Accepted') && !isTrue(conditions, 'Programmed');
}

/** The keys that are both wished for and accepted; a key that moves from one field to the other stays in without a break. */
function keysLetIn({ spec, status }: MeshPeer): readonly PublicKey[] {
  const accepted = [status?.publicKey, status?.nextPublicKey];
  const wished = new Set([spec.publicKey, spec.nextPublicKey].filter((key) => accepted.includes(key)));
  return [...wished].flatMap((text) => {
    const key = parsePublicKey(text ?? '');
    return key.ok ? [key.value] : [];
  });
}

/** Whether the object itself says that the device must be out, whatever its status. `now` is in milliseconds since the epoch. */
export function isRevoked(peer: MeshPeer, now: number): boolean {
  return peer.metadata.deletionTimestamp !== undefined || peer.spec.suspended || expiryOf(peer) <= now;
}

/** When the peer expires, in milliseconds since the epoch; infinity for never, and long ago for a time that nobody can read. */
export function expiryOf(peer: MeshPeer): number {
  if (peer.spec.expiresAt === undefined) return Number.POSITIVE_INFINITY;
  const expiry = milliseconds(peer.spec.expiresAt);
  return Number.isNaN(expiry) ? Number.NEGATIVE_INFINITY : expiry;
}
