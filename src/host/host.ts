import type { ConnectionTracking, TrackedSource } from '../dataplane/connection-tracking.ts';
import type { LocalFacts } from '../dataplane/local-facts.ts';
import type { Counted, CountedElement, HalvedSets } from '../dataplane/nftables/counted.ts';
import type { ForeignRuleset } from '../dataplane/nftables/foreign.ts';
import type { Flow } from '../dataplane/nftables/ruleset.ts';
import type { Names, NodeState } from '../dataplane/node-plan.ts';
import type { Operation } from '../dataplane/operation.ts';
import type { ObservedPeer } from '../dataplane/wireguard/device.ts';
import type { IpAddress } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import type { OnDrift, OnTold } from './drift.ts';

/** What is seen of a node in one look. */
export interface Observation {
  readonly facts: LocalFacts;
  readonly state: NodeState;
}

/** The only door to a node's kernel. */
export interface Host {
  /** Local facts, and what is there under these names. Changes nothing. */
  observe(names: Names): Promise<Observation>;
  /** The peers alone, with their handshakes and counters; empty when there is no interface. */
  observePeers(device: string): Promise<ReadonlyMap<PublicKey, ObservedPeer>>;
  /** What programs other than ours filter. Dearer than `observe` where there is much of it, so for rare looks. Changes nothing. */
  observeForeignRules(names: Names): Promise<ForeignRuleset>;
  /** How full the node's connection tracking is; undefined where the kernel tracks none. Two small files. Changes nothing. */
  observeTracking(): Promise<ConnectionTracking | undefined>;
  /** What each address in these prefixes has opened, by connection tracking. Walks through all of it, so for rare looks. Changes nothing. */
  trackedBySource(sources: readonly Cidr[]): Promise<ReadonlyMap<IpAddress, TrackedSource>>;
  /** The preshared keys that this node was brought, by the names of their files, each by its fingerprint. */
  presharedKeys(): Promise<ReadonlyMap<string, string>>;
  /** Calls `onChange` whenever they may have changed, until the signal aborts. */
  watchPresharedKeys(signal: AbortSignal, onChange: () => void): void;
  /** Whether this node was brought the private key of this public one. */
  hasPrivateKey(publicKey: PublicKey): Promise<boolean>;
  /** Calls `onChange` whenever the private keys may have changed, until the signal aborts. */
  watchPrivateKeys(signal: AbortSignal, onChange: () => void): void;
  /** What rules of the table have put into these sets, which are empty afterwards; nothing where there is no such table. */
  takeElements(table: string, sets: readonly string[]): Promise<readonly string[]>;
  /** What the first counter of a chain of the table has counted; undefined where there is no such chain. Changes nothing. */
  countedBy(table: string, chain: string): Promise<Counted | undefined>;
  /** What rules of the table have put into these sets, with its counters; what was read is taken out. */
  takeCounted(table: string, sets: readonly string[]): Promise<readonly CountedElement[]>;
  /**
   * Has the rules of the table fill the other half of these sets from now on, and takes what they have put into the half before, with its
   * counters. Nothing that is counted meanwhile is lost.
   */
  takeHalf(table: string, sets: HalvedSets): Promise<readonly CountedElement[]>;
  /** The connections that devices with these addresses have open, by what they dialled; some tens of thousands take a second. Changes nothing. */
  observeFlows(sources: readonly Cidr[]): Promise<readonly Flow[]>;
  /** Does one step; doing it again, or when it is already done, is no error. */
  apply(operation: Operation): Promise<void>;
  /**
   * Calls `onDrift` with a short reason, and the name of the program that did it where the kernel tells, whenever something under these names may have changed, our own steps included, until
   * the signal aborts. The answer to it is to observe, to diff and to apply what differs. `onTold` hears of packets that rules of the table
   * tell of, as they pass.
   */
  watchDrift(names: Names, signal: AbortSignal, onDrift: OnDrift, onTold?: OnTold): void;
}
