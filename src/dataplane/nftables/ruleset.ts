import { addressBits, type Family, type IpAddress } from '../../net/address.ts';
import { type Cidr, cidrBase, cidrFamily, cidrLength } from '../../net/cidr.ts';

/** What one field of a set's element is. */
export type SetFieldType =
  | 'ipv4_addr'
  | 'ipv6_addr'
  | 'inet_proto'
  | 'inet_service'
  | 'ifname'
  | 'mark'
  | 'nf_proto'
  | 'ct_dir';

/** A named set. Its elements may change without the table being replaced, so what grants access belongs in one. */
export interface NamedSet {
  readonly name: string;
  /** More than one makes the elements concatenations, written `a . b`. */
  readonly type: readonly SetFieldType[];
  /** Whether elements may be prefixes and ranges, which must not overlap. */
  readonly interval: boolean;
  /** For a set that rules fill: how long an element stays, as nft writes it. What is in it is nobody's wish. */
  readonly timeout?: string | undefined;
  /** How many elements rules put into it at most, where there is a timeout; 65535 unless given. */
  readonly size?: number | undefined;
  /** In the spelling in which nft lists them; a host prefix is a plain address (`cidrElement`). */
  readonly elements: readonly string[];
  /** Where an element `source . destination`, and `. port` with a protocol, lets connections in, which end when it leaves. */
  readonly lets?: 'tcp' | 'udp' | 'any' | undefined;
}

/** A rule as nft reads it. The comment reaches `nft list ruleset`, for the person who looks there; at most 127 bytes. */
export interface Rule {
  readonly text: string;
  readonly comment?: string | undefined;
}

/** Where the kernel calls a chain. The policy is always accept: a table of ours must not stop what is not ours. */
export interface Hook {
  readonly type: 'filter' | 'nat';
  readonly hook: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting';
  /** Such as `filter - 5`. */
  readonly priority: string;
}

export interface Chain {
  readonly name: string;
  /** Undefined for a chain that is only jumped to; such a chain stands before those that jump to it. */
  readonly hook?: Hook | undefined;
  readonly rules: readonly Rule[];
}

/** Our table of family inet as it should be. */
export interface Ruleset {
  readonly table: string;
  readonly sets: readonly NamedSet[];
  readonly chains: readonly Chain[];
}

/** Our table as it is. */
export interface ObservedRuleset {
  readonly table: string;
  /** `structureDigest` of the ruleset that was written; undefined when the table does not say. */
  readonly written?: string | undefined;
  /** Whether the kernel's chains, rules and sets (not their elements) are still what they were when that had been written. */
  readonly intact: boolean;
  readonly elements: ReadonlyMap<string, readonly string[]>;
  /** For which families the table records that we turned forwarding on. */
  readonly turnedOn: readonly Family[];
}

/** Elements that enter and leave one named set, in one transaction. */
export interface ElementChange {
  readonly set: string;
  readonly added: readonly string[];
  readonly removed: readonly string[];
}

/** What is spoken, by conntrack's name or else its number, and at which port, where there are ports. */
export interface FlowPort {
  readonly protocol: string;
  readonly port: number | undefined;
}

/** Connections of one device, or of all in a prefix, by what was dialled. */
export interface Flow {
  readonly source: IpAddress | Cidr;
  readonly destination: Cidr;
  /** Undefined for all that goes there. */
  readonly open: FlowPort | undefined;
}

/** The prefix as an element of an interval set, spelt as nft lists it. */
export function cidrElement(cidr: Cidr): string {
  return cidrLength(cidr) === addressBits(cidrFamily(cidr)) ? cidrBase(cidr) : cidr;
}
