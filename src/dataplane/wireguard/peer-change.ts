import type { Cidr } from '../../net/cidr.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { PublicKey } from '../../net/key.ts';
import type { MountedPresharedKey, ObservedPeer, WantedPeer } from './device.ts';

/** What happens to one peer of the interface; all other peers stay untouched, sessions included. */
export type PeerChange =
  | { readonly kind: 'remove'; readonly publicKey: PublicKey }
  /**
   * It loses all its addresses to the other key of its device, to which another change of the same go gives them. Nothing is said about it: an
   * address that is given to a peer is taken from whoever has it, in one step, so no packet finds it with nobody.
   */
  | { readonly kind: 'yield'; readonly publicKey: PublicKey }
  | {
      readonly kind: 'add';
      readonly publicKey: PublicKey;
      readonly allowedIPs: readonly Cidr[];
      readonly presharedKey?: MountedPresharedKey | undefined;
    }
  | {
      readonly kind: 'change';
      readonly publicKey: PublicKey;
      /** All that it shall have in the end. */
      readonly allowedIPs: readonly Cidr[];
      readonly added: readonly Cidr[];
      readonly removed: readonly Cidr[];
      /** The one to have from now on; `none` takes away one that nobody asked for. Left out, it stays as it is. */
      readonly presharedKey?: MountedPresharedKey | 'none' | undefined;
    }
  /**
   * It is sent an empty packet: at `endpoint`, or without one where it is now. Where there is no session that begins a handshake, by which the
   * device learns where its gateway is.
   */
  | { readonly kind: 'call'; readonly publicKey: PublicKey; readonly endpoint?: Endpoint | undefined };

/** A peer that is made anew: it loses its session, and where it was. */
export function madeAnew({ publicKey, allowedIPs, presharedKey }: WantedPeer): readonly PeerChange[] {
  return [
    { kind: 'remove', publicKey },
    { kind: 'add', publicKey, allowedIPs, ...(presharedKey && { presharedKey }) },
  ];
}

/** The change for one key, or undefined when there is nothing to do. */
export function peerChange(
  publicKey: PublicKey,
  wanted: WantedPeer | undefined,
  observed: ObservedPeer | undefined,
): PeerChange | undefined {
  if (wanted === undefined) return observed === undefined ? undefined : { kind: 'remove', publicKey };
  const { allowedIPs, presharedKey } = wanted;
  if (observed === undefined) return { kind: 'add', publicKey, allowedIPs, ...(presharedKey && { presharedKey }) };
  const isKeyed = presharedKey?.fingerprint === observed.presharedKey;
  if (isKeyed && sameCidrs(allowedIPs, observed.allowedIPs)) return undefined;
  const added = without(allowedIPs, observed.allowedIPs);
  const removed = without(observed.allowedIPs, allowedIPs);
  if (added.length + removed.length === 0 && isKeyed) return undefined;
  const rekeyed = isKeyed ? {} : { presharedKey: presharedKey ?? ('none' as const) };
  return { kind: 'change', publicKey, allowedIPs, added, removed, ...rekeyed };
}

/**
 * The order in which changes are safe in one go: who loses an address comes before who gets it, because an address belongs
 * to one peer of an interface only and adding it takes it from whoever has it.
 */
export function orderPeerChanges(changes: readonly PeerChange[]): readonly PeerChange[] {
  return [...changes].sort((one, other) => rank(one) - rank(other));
}

/** The changes, where what goes from one key of a device to the other is one step. */
export function withYields(
  changes: readonly PeerChange[],
  wanted: ReadonlyMap<PublicKey, WantedPeer>,
): readonly PeerChange[] {
  const gains = new Map(changes.map((change) => [change.publicKey, gainedBy(change)]));
  return changes.map((change) => {
    if (change.kind !== 'change' || change.presharedKey !== undefined) return change;
    const otherKey = wanted.get(change.publicKey)?.otherKey;
    const gained = (otherKey === undefined ? undefined : gains.get(otherKey)) ?? [];
    const yields = change.allowedIPs.length === 0 && change.removed.every((cidr) => gained.includes(cidr));
    return yields ? { kind: 'yield', publicKey: change.publicKey } : change;
  });
}

/** Prefixes that the changed peers no longer hold: what their old connections came from. */
export function lostSources(
  changes: readonly PeerChange[],
  observed: ReadonlyMap<PublicKey, ObservedPeer>,
): readonly Cidr[] {
  return changes.flatMap((change) => {
    if (change.kind === 'remove') return observed.get(change.publicKey)?.allowedIPs ?? [];
    return change.kind === 'change' ? change.removed : [];
  });
}

function gainedBy(change: PeerChange): readonly Cidr[] {
  if (change.kind === 'change') return change.added;
  return change.kind === 'add' ? change.allowedIPs : [];
}

function rank(change: PeerChange): number {
  if (change.kind === 'remove') return 0;
  return change.kind === 'change' && change.removed.length > 0 ? 1 : 2;
}

function sameCidrs(one: readonly Cidr[], other: readonly Cidr[]): boolean {
  return one.length === other.length && one.every((cidr, index) => cidr === other[index]);
}

function without(cidrs: readonly Cidr[], taken: readonly Cidr[]): readonly Cidr[] {
  if (taken.length === 0) return cidrs;
  const gone = new Set(taken);
  return cidrs.filter((cidr) => !gone.has(cidr));
}
