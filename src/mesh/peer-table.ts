import type { MeshPeer } from '../api/meshpeer.ts';
import { keyOf, type ObjectKey } from '../api/resource.ts';
import type { MountedPresharedKey, WantedPeer } from '../dataplane/wireguard/device.ts';
import type { IpAddress } from '../net/address.ts';
import { type Cidr, hostCidr } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import { olderFirst } from './age.ts';
import { Deadlines } from './deadlines.ts';
import { expiryOf, type Member, memberOf } from './members.ts';

/**
 * The WireGuard peers that a gateway's nodes should have, kept up to date at a cost that depends on what changed and not on how
 * many peers there are: an index of members by key and by address, from which one peer's entry can be said again alone.
 *
 * Two members with one key or one address cannot both be honoured, because AllowedIPs are exclusive per interface. The operator
 * accepts only one of them; should two be accepted all the same, every node lets the older one in.
 */
export class PeerTable {
  /** Entries as they should be in the interface. */
  readonly wanted: ReadonlyMap<PublicKey, WantedPeer>;
  readonly #wanted = new Map<PublicKey, WantedPeer>();
  readonly #gateway: string;
  readonly #members = new Map<ObjectKey, Member>();
  readonly #byKey = new Map<PublicKey, Set<ObjectKey>>();
  readonly #byAddress = new Map<Cidr, Set<ObjectKey>>();
  /** Members that time will take out, and peers that it has taken out: a clock that ran ahead may be set back. */
  readonly #expiring = Deadlines.earliest();
  readonly #expired = Deadlines.latest();

  readonly #pinned = new Map<PublicKey, WantedPeer>();
  /** Fingerprints of the preshared keys that have reached the node, by version. */
  #mounted: ReadonlyMap<string, string> = new Map();
  /** Of each member that must have a preshared key, the version that it has: one that is replaced holds until the next one is there. */
  readonly #keyed = new Map<ObjectKey, string | undefined>();

  constructor(gateway: string) {
    this.#gateway = gateway;
    this.wanted = this.#wanted;
  }

  /**
   * Puts in a peer of the node's own, which no resource stands for: its probe peer. Its key and its addresses are its own,
   * whatever members say. Returns the keys whose entries may have changed.
   */
  pin(peer: WantedPeer): ReadonlySet<PublicKey> {
    const before = this.#pinned.get(peer.publicKey)?.allowedIPs ?? [];
    if (this.#pinned.has(peer.publicKey) && sameCidrs(before, peer.allowedIPs)) return new Set();
    this.#pinned.set(peer.publicKey, peer);
    const touched = new Set([peer.publicKey]);
    for (const address of [...before, ...peer.allowedIPs]) {
      for (const rival of this.#holders(this.#byAddress.get(address))) touched.add(rival.publicKey);
    }
    for (const publicKey of touched) this.#say(publicKey);
    return touched;
  }

  /**
   * Takes in which preshared keys have reached the node: fingerprints by version. Without its key a member is not let in.
   * Returns the keys of the entries that may have changed.
   */
  mount(keys: ReadonlyMap<string, string>): ReadonlySet<PublicKey> {
    this.#mounted = keys;
    const touched = new Set<PublicKey>();
    for (const key of this.#keyed.keys()) {
      const publicKey = this.#members.get(key)?.publicKey;
      if (publicKey === undefined) continue;
      const before = this.#wanted.get(publicKey)?.presharedKey;
      this.#say(publicKey);
      const after = this.#wanted.get(publicKey)?.presharedKey;
      if (before?.fingerprint !== after?.fingerprint || before?.file !== after?.file) touched.add(publicKey);
    }
    return touched;
  }

  /** The members that must have a preshared key, each with the one that it is to have in the end, if it has reached the node. */
  *keyedMembers(): Iterable<{ readonly key: ObjectKey; readonly member: Member; readonly fingerprint?: string }> {
    for (const key of this.#keyed.keys()) {
      const member = this.#members.get(key);
      const fingerprint = this.#mounted.get(member?.presharedKey ?? '');
      if (member !== undefined) yield { key, member, ...(fingerprint === undefined ? {} : { fingerprint }) };
    }
  }

  /** Takes a peer's present state, or its absence, into account; returns the keys whose entries may have changed. */
  set(key: ObjectKey, peer: MeshPeer | undefined, now: number): ReadonlySet<PublicKey> {
    const before = this.#members.get(key);
    const after = peer === undefined ? undefined : memberOf(this.#gateway, peer, now);
    const expiry = peer === undefined ? Number.POSITIVE_INFINITY : expiryOf(peer);
    this.#expiring.set(key, after !== undefined && expiry < Number.POSITIVE_INFINITY ? peer : undefined);
    this.#expired.set(key, expiry <= now ? peer : undefined);
    if (before !== undefined && after !== undefined && sameMember(before, after)) {
      this.#members.set(key, after);
      return new Set();
    }
    const touched = this.#touchedBy(before, after);
    if (before !== undefined) this.#remove(key, before);
    if (after?.presharedKey === undefined || after.peer.metadata.uid !== before?.peer.metadata.uid)
      this.#keyed.delete(key);
    if (after !== undefined) this.#insert(key, after);
    for (const publicKey of touched) this.#say(publicKey);
    return touched;
  }

  /** Takes out whoever has expired by now; returns the keys whose entries may have changed. The clock may have been set back. */
  expire(now: number): ReadonlySet<PublicKey> {
    const touched = new Set<PublicKey>();
    if (now < this.#expiring.end && this.#expired.end <= now) return touched;
    const changed = [
      ...this.#expiring.where((expiry) => expiry <= now),
      ...this.#expired.where((expiry) => expiry > now),
    ];
    for (const [key, peer] of changed) for (const publicKey of this.set(key, peer, now)) touched.add(publicKey);
    return touched;
  }

  /** When the next member expires, in milliseconds since the epoch; infinity for never. */
  nextExpiry(): number {
    return this.#expiring.end;
  }

  /** How many peers are let in. */
  get memberCount(): number {
    let waiting = 0;
    for (const { member } of this.keyedMembers()) if (!this.#wanted.has(member.publicKey)) waiting += 1;
    return this.#members.size - waiting;
  }

  /** The member that an entry of the interface stands for. */
  memberWith(publicKey: PublicKey): Member | undefined {
    return this.#pinned.has(publicKey) ? undefined : oldestMember(this.#holders(this.#byKey.get(publicKey)));
  }

  /** The member whose packets alone come from an address. */
  memberAt(address: IpAddress): Member | undefined {
    const cidr = hostCidr(address);
    const member = oldestMember(this.#holders(this.#byAddress.get(cidr)));
    if (member === undefined || this.memberWith(member.publicKey) !== member) return undefined;
    return this.#wanted.get(member.publicKey)?.allowedIPs.includes(cidr) ? member : undefined;
  }

  /** Both members' own keys, and the keys of everyone who shares an address with either. */
  #touchedBy(...members: readonly (Member | undefined)[]): Set<PublicKey> {
    const touched = new Set<PublicKey>();
    for (const member of members) {
      if (member === undefined) continue;
      touched.add(member.publicKey);
      for (const address of member.addresses) {
        for (const rival of this.#holders(this.#byAddress.get(address))) touched.add(rival.publicKey);
      }
    }
    return touched;
  }

  #insert(key: ObjectKey, member: Member): void {
    this.#members.set(key, member);
    if (member.presharedKey !== undefined) this.#keyed.set(key, this.#keyed.get(key));
    add(this.#byKey, member.publicKey, key);
    for (const address of member.addresses) add(this.#byAddress, address, key);
  }

  #remove(key: ObjectKey, member: Member): void {
    this.#members.delete(key);
    drop(this.#byKey, member.publicKey, key);
    for (const address of member.addresses) drop(this.#byAddress, address, key);
  }

  #say(publicKey: PublicKey): void {
    const pinned = this.#pinned.get(publicKey);
    const member = this.memberWith(publicKey);
    if (pinned !== undefined) this.#wanted.set(publicKey, pinned);
    else if (member === undefined) this.#wanted.delete(publicKey);
    else if (member.presharedKey === undefined) this.#wanted.set(publicKey, this.#entryOf(member));
    else {
      const presharedKey = this.#presharedKeyOf(member, member.presharedKey);
      if (presharedKey === undefined) this.#wanted.delete(publicKey);
      else this.#wanted.set(publicKey, { ...this.#entryOf(member), presharedKey });
    }
  }

  #entryOf(member: Member): WantedPeer {
    return { publicKey: member.publicKey, allowedIPs: this.#addressesWonBy(member) };
  }

  #presharedKeyOf(member: Member, version: string): MountedPresharedKey | undefined {
    const key = keyOf(member.peer.metadata);
    for (const file of [version, this.#keyed.get(key) ?? '']) {
      const fingerprint = this.#mounted.get(file);
      if (fingerprint === undefined) continue;
      this.#keyed.set(key, file);
      return { file, fingerprint };
    }
    return undefined;
  }

  #addressesWonBy(member: Member): readonly Cidr[] {
    const won = member.addresses.filter(
      (address) =>
        oldestMember(this.#holders(this.#byAddress.get(address))) === member &&
        ![...this.#pinned.values()].some(({ allowedIPs }) => allowedIPs.includes(address)),
    );
    return won.sort();
  }

  *#holders(keys: ReadonlySet<ObjectKey> | undefined): Iterable<Member> {
    for (const key of keys ?? []) {
      const member = this.#members.get(key);
      if (member !== undefined) yield member;
    }
  }
}

/** A table of these peers, as a node makes it when it starts, with every preshared key in its place. */
export function peerTable(gateway: string, peers: Iterable<MeshPeer>, now: number): PeerTable {
  const table = new PeerTable(gateway);
  for (const peer of peers) table.set(keyOf(peer.metadata), peer, now);
  const versions = [...table.keyedMembers()].map(({ member }) => member.presharedKey ?? '');
  table.mount(new Map(versions.map((version) => [version, version])));
  return table;
}

function sameMember(one: Member, other: Member): boolean {
  return (
    one.publicKey === other.publicKey &&
    one.presharedKey === other.presharedKey &&
    one.peer.metadata.uid === other.peer.metadata.uid &&
    sameCidrs(one.addresses, other.addresses)
  );
}

function sameCidrs(one: readonly Cidr[], other: readonly Cidr[]): boolean {
  return one.length === other.length && one.every((cidr, index) => cidr === other[index]);
}

function oldestMember(members: Iterable<Member>): Member | undefined {
  let best: Member | undefined;
  for (const member of members) if (best === undefined || olderFirst(member.peer, best.peer) < 0) best = member;
  return best;
}

function add<K>(index: Map<K, Set<ObjectKey>>, entry: K, key: ObjectKey): void {
  const keys = index.get(entry);
  if (keys === undefined) index.set(entry, new Set([key]));
  else keys.add(key);
}

function drop<K>(index: Map<K, Set<ObjectKey>>, entry: K, key: ObjectKey): void {
  const keys = index.get(entry);
  keys?.delete(key);
  if (keys?.size === 0) index.delete(entry);
}
