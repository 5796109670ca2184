import type { MeshPeer } from '../api/meshpeer.ts';
import { keyOf, type ObjectKey } from '../api/resource.ts';
import type { MountedPresharedKey, WantedPeer } from '../dataplane/wireguard/device.ts';
import type { IpAddress } from '../net/address.ts';
import { type Cidr, hostCidr } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import { Deadlines } from './deadlines.ts';
import { KeyPairs, type SeenPeers } from './key-in-use.ts';
import { MemberIndex, oldestMember } from './member-index.ts';
import { expiryOf, type Member, memberOf } from './members.ts';

/**
 * The WireGuard peers that a gateway's nodes should have, kept up to date at a cost that depends on what changed and not on how
 * many peers there are: an index of members by key and by address, from which one peer's entry can be said again alone.
 *
 * Two members with one key or one address cannot both be honoured, because AllowedIPs are exclusive per interface. The operator
 * accepts only one of them; should two be accepted all the same, every node lets the older one in. A member that changes its key has two
 * entries, one of which has its addresses.
 */
export class PeerTable {
  /** Entries as they should be in the interface. */
  readonly wanted: ReadonlyMap<PublicKey, WantedPeer>;
  readonly #wanted = new Map<PublicKey, WantedPeer>();
  readonly #gateway: string;
  readonly #members = new Map<ObjectKey, Member>();
  readonly #byKey = new MemberIndex<PublicKey>(this.#members);
  readonly #byAddress = new MemberIndex<Cidr>(this.#members);
  /** Members that time will take out, and peers that it has taken out: a clock that ran ahead may be set back. */
  readonly #expiring = Deadlines.earliest();
  readonly #expired = Deadlines.latest();

  readonly #pinned = new Map<PublicKey, WantedPeer>();
  /** Fingerprints of the preshared keys that have reached the node, by version. */
  #mounted: ReadonlyMap<string, string> = new Map();
  /** Of each member that must have a preshared key, the version that it has: one that is replaced holds until the next one is there. */
  readonly #keyed = new Map<ObjectKey, string | undefined>();

  readonly #pairs = new KeyPairs();

  constructor(gateway: string) {
    this.#gateway = gateway;
    this.wanted = this.#wanted;
  }

  /**
   * Puts in a peer of the node's own, which no resource stands for: its probe peer, or another node that asks whether it lives. Its key and
   * its addresses are its own, whatever members say. Returns the keys whose entries may have changed.
   */
  pin(peer: WantedPeer): ReadonlySet<PublicKey> {
    const before = this.#pinned.get(peer.publicKey)?.allowedIPs ?? [];
    if (this.#pinned.has(peer.publicKey) && sameCidrs(before, peer.allowedIPs)) return new Set();
    this.#pinned.set(peer.publicKey, peer);
    const touched = new Set([peer.publicKey]);
    for (const address of [...before, ...peer.allowedIPs]) addKeys(touched, this.#byAddress.of(address));
    for (const publicKey of touched) this.#say(publicKey);
    return touched;
  }

  /** Takes such a peer out again. Returns the keys whose entries may have changed. */
  unpin(publicKey: PublicKey): ReadonlySet<PublicKey> {
    const touched = new Set([publicKey]);
    const before = this.#pinned.get(publicKey)?.allowedIPs ?? [];
    if (!this.#pinned.delete(publicKey)) return new Set();
    for (const address of before) addKeys(touched, this.#byAddress.of(address));
    for (const key of touched) this.#say(key);
    return touched;
  }

  /**
   * Takes in which preshared keys have reached the node: fingerprints by version. Without its key a member is not let in.
   * Returns the keys of the entries that may have changed.
   */
  mount(keys: ReadonlyMap<string, string>): ReadonlySet<PublicKey> {
    this.#mounted = keys;
    const touched = new Set<PublicKey>();
    for (const publicKey of [...this.#keyed.keys()].flatMap((key) => this.#members.get(key)?.publicKeys ?? [])) {
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
    this.#pairs.follow(key, after, now);
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
    for (const { member } of this.keyedMembers())
      if (!member.publicKeys.some((key) => this.#wanted.has(key))) waiting += 1;
    return this.#members.size - waiting;
  }

  /** The keys of a device that is let in. */
  keysOf(peer: ObjectKey): readonly PublicKey[] {
    return this.#members.get(peer)?.publicKeys ?? [];
  }

  /** The UID of a MeshPeer that is let in: one that was deleted and comes again under its name is another device. */
  uidOf(peer: ObjectKey): string | undefined {
    return this.#members.get(peer)?.peer.metadata.uid;
  }

  /** The member that an entry of the interface stands for. */
  memberWith(publicKey: PublicKey): Member | undefined {
    return this.#pinned.has(publicKey) ? undefined : oldestMember(this.#byKey.of(publicKey));
  }

  /** The member whose packets alone come from an address. */
  memberAt(address: IpAddress): Member | undefined {
    const cidr = hostCidr(address);
    const member = oldestMember(this.#byAddress.of(cidr));
    const isHere = this.#ownKeys(member).some((publicKey) => this.#wanted.get(publicKey)?.allowedIPs.includes(cidr));
    return isHere ? member : undefined;
  }

  /**
   * Takes in what was seen in the interface, by which the addresses of a member that has two keys go to the one that it uses. Returns the keys
   * whose entries have changed.
   */
  see(peers: SeenPeers): ReadonlySet<PublicKey> {
    const touched = this.#pairs.see((key) => this.#ownKeys(this.#members.get(key)), peers);
    for (const publicKey of touched) this.#say(publicKey);
    return touched;
  }

  /** Whether an entry of the interface has its member's addresses; of two keys of one member only one does. */
  isInUse(publicKey: PublicKey): boolean {
    const member = this.memberWith(publicKey);
    return member !== undefined && this.#keyOfAddresses(member) === publicKey;
  }

  /** When the latest change of a key that is under way came here, in milliseconds since the epoch; minus infinity when there is none. */
  get latestPair(): number {
    return this.#pairs.latest;
  }

  /** Both members' own keys, and the keys of everyone who shares a key or an address with either. */
  #touchedBy(...members: readonly (Member | undefined)[]): Set<PublicKey> {
    const touched = new Set<PublicKey>();
    for (const member of members) {
      if (member === undefined) continue;
      for (const publicKey of member.publicKeys) {
        touched.add(publicKey);
        addKeys(touched, this.#byKey.of(publicKey));
      }
      for (const address of member.addresses) addKeys(touched, this.#byAddress.of(address));
    }
    return touched;
  }

  #insert(key: ObjectKey, member: Member): void {
    this.#members.set(key, member);
    if (member.presharedKey !== undefined) this.#keyed.set(key, this.#keyed.get(key));
    for (const publicKey of member.publicKeys) this.#byKey.add(publicKey, key);
    for (const address of member.addresses) this.#byAddress.add(address, key);
  }

  #remove(key: ObjectKey, member: Member): void {
    this.#members.delete(key);
    for (const publicKey of member.publicKeys) this.#byKey.drop(publicKey, key);
    for (const address of member.addresses) this.#byAddress.drop(address, key);
  }

  #say(publicKey: PublicKey): void {
    const pinned = this.#pinned.get(publicKey);
    const member = this.memberWith(publicKey);
    if (pinned !== undefined) this.#wanted.set(publicKey, pinned);
    else if (member === undefined) this.#wanted.delete(publicKey);
    else if (member.presharedKey === undefined) this.#wanted.set(publicKey, this.#entryOf(member, publicKey));
    else {
      const presharedKey = this.#presharedKeyOf(member, member.presharedKey);
      if (presharedKey === undefined) this.#wanted.delete(publicKey);
      else this.#wanted.set(publicKey, { ...this.#entryOf(member, publicKey), presharedKey });
    }
  }

  #entryOf(member: Member, publicKey: PublicKey): WantedPeer {
    const otherKey = this.#ownKeys(member).find((key) => key !== publicKey);
    return {
      publicKey,
      allowedIPs: this.#keyOfAddresses(member) === publicKey ? this.#addressesWonBy(member) : [],
      ...(otherKey === undefined ? {} : { otherKey }),
    };
  }

  /** Which of a member's keys has its addresses. */
  #keyOfAddresses(member: Member): PublicKey | undefined {
    const keys = this.#ownKeys(member);
    const inUse = this.#pairs.inUse(keyOf(member.peer.metadata));
    return keys.find((key) => key === inUse) ?? keys[0];
  }

  /** The keys of a member that no older one has. */
  #ownKeys(member: Member | undefined): readonly PublicKey[] {
    return (member?.publicKeys ?? []).filter((publicKey) => this.memberWith(publicKey) === member);
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
        oldestMember(this.#byAddress.of(address)) === member &&
        ![...this.#pinned.values()].some(({ allowedIPs }) => allowedIPs.includes(address)),
    );
    return won.sort();
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
    one.publicKeys.join() === other.publicKeys.join() &&
    one.presharedKey === other.presharedKey &&
    one.peer.metadata.uid === other.peer.metadata.uid &&
    sameCidrs(one.addresses, other.addresses)
  );
}

function sameCidrs(one: readonly Cidr[], other: readonly Cidr[]): boolean {
  return one.length === other.length && one.every((cidr, index) => cidr === other[index]);
}

function addKeys(keys: Set<PublicKey>, members: Iterable<Member>): void {
  for (const { publicKeys } of members) for (const publicKey of publicKeys) keys.add(publicKey);
}
