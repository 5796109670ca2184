import type { CountedElement } from '../../dataplane/nftables/counted.ts';
import { SEEN_PREFIX } from '../../dataplane/nftables/counted.ts';
import type { Chain, NamedSet, Rule } from '../../dataplane/nftables/ruleset.ts';
import { type Family, type IpAddress, parseAddress } from '../../net/address.ts';

/*
 * Who dialled what and how it ended is noted by the rules themselves, in sets whose elements count: one for each device and what it
 * dialled, however many packets that takes. The agent reads and empties them every few seconds. What finds a set full is not noted, and
 * fares as if it were; the chain's own counter has it all the same.
 */

/** Which connections are noted. */
export type AuditedConnections = 'None' | 'Denied' | 'All';

/** How a connection ended that was noted. */
export type Verdict = 'denied' | 'accepted';

/** One device's packets to one destination. */
export interface Sighting {
  readonly verdict: Verdict;
  readonly source: IpAddress;
  /** By IANA's keyword, such as `tcp`, `udp`, `icmp`; a number where it is rare. */
  readonly protocol: string;
  readonly destination: IpAddress;
  /** Of TCP and UDP. */
  readonly port?: number | undefined;
  readonly packets: number;
  readonly bytes: number;
}

/** The chain through which what ends so goes, and whose first counter counts it. */
export const AUDIT_CHAINS: Readonly<Record<Verdict, string>> = { denied: 'deny', accepted: 'let_in' };

/** So many devices and destinations are told apart between two looks; more would make a look long. */
const MOST = 8_192;
/** Only where no agent reads them: the sets are emptied every few seconds. */
const KEPT = '1h';

/** nft knows names where the system has a list of them, which an image need not have. */
const PROTOCOLS: Readonly<Record<string, string>> = {
  '1': 'icmp',
  '6': 'tcp',
  '17': 'udp',
  '47': 'gre',
  '50': 'esp',
  '58': 'ipv6-icmp',
  '132': 'sctp',
};

/** What is noted at all. */
export function auditedVerdicts(audited: AuditedConnections): readonly Verdict[] {
  if (audited === 'None') return [];
  return audited === 'Denied' ? ['denied'] : ['denied', 'accepted'];
}

/** The names of the sets that hold what ended so. */
export function auditSetNames(verdict: Verdict): readonly string[] {
  return bothFamilies((family) => [portSet(verdict, family), otherSet(verdict, family)]).flat();
}

/** Filled by the rules of `auditChains` alone. */
export function auditSets(audited: AuditedConnections): readonly NamedSet[] {
  const dynamic = { interval: false, timeout: KEPT, size: MOST, elements: [] };
  return auditedVerdicts(audited).flatMap((verdict) =>
    bothFamilies((family): readonly NamedSet[] => {
      const address = family === 4 ? 'ipv4_addr' : 'ipv6_addr';
      const both = [address, 'inet_proto', address] as const;
      return [
        { name: portSet(verdict, family), type: [...both, 'inet_service'], ...dynamic },
        { name: otherSet(verdict, family), type: both, ...dynamic },
      ];
    }).flat(),
  );
}

/** The chains that note a connection and then do with it what is done; they stand after `refuse`. */
export function auditChains(audited: AuditedConnections): readonly Chain[] {
  const counter = { text: 'counter', comment: 'connections noted, and those for which there was no room' };
  const known = { text: 'ct status & confirmed != 0 accept', comment: 'noted by its first packet' };
  const rules: Readonly<Record<Verdict, readonly Rule[]>> = {
    denied: [counter, ...notes('denied'), { text: 'goto refuse' }],
    accepted: [known, counter, ...notes('accepted'), { text: 'accept' }],
  };
  return auditedVerdicts(audited).map((verdict) => ({ name: AUDIT_CHAINS[verdict], rules: rules[verdict] }));
}

/** What a rule says that refuses. */
export function refusal(audited: AuditedConnections): string {
  return audited === 'None' ? 'goto refuse' : `goto ${AUDIT_CHAINS.denied}`;
}

/** What a rule says that lets a connection in. */
export function admission(audited: AuditedConnections): string {
  return audited === 'All' ? `goto ${AUDIT_CHAINS.accepted}` : 'accept';
}

/** What an element of the sets says; undefined for one that says nothing. */
export function sightingIn({ set, element, packets, bytes }: CountedElement): Sighting | undefined {
  const verdict = set.startsWith(`${SEEN_PREFIX}denied`) ? 'denied' : 'accepted';
  const [from = '', protocol = '', to = '', port] = element.split(' . ');
  const [source, destination] = [parseAddress(from), parseAddress(to)];
  if (!source.ok || !destination.ok) return undefined;
  const counted = { packets, bytes, ...(port === undefined ? {} : { port: Number(port) }) };
  return {
    verdict,
    source: source.value,
    protocol: PROTOCOLS[protocol] ?? protocol,
    destination: destination.value,
    ...counted,
  };
}

/** By what was dialled. A rule for each protocol: nft 1.0.6 knows what a conntrack port is only where the protocol is one. */
function notes(verdict: Verdict): readonly Rule[] {
  return bothFamilies((family) => {
    const ip = family === 4 ? 'ip' : 'ip6';
    const dialled = `${ip} saddr . meta l4proto . ct original ${ip} daddr`;
    const port = `update @${portSet(verdict, family)} { ${dialled} . ct original proto-dst counter }`;
    const other = `update @${otherSet(verdict, family)} { ${dialled} counter }`;
    return [
      { text: `meta l4proto tcp ${port}` },
      { text: `meta l4proto udp ${port}` },
      { text: `meta l4proto != tcp meta l4proto != udp ${other}` },
    ];
  }).flat();
}

function portSet(verdict: Verdict, family: Family): string {
  return `${SEEN_PREFIX}${verdict}${family}`;
}

function otherSet(verdict: Verdict, family: Family): string {
  return `${SEEN_PREFIX}${verdict}_other${family}`;
}

function bothFamilies<T>(make: (family: Family) => T): readonly T[] {
  return [make(4), make(6)];
}
