import { SEEN_PREFIX } from '../../dataplane/nftables/counted.ts';
import type { Chain, NamedSet, Rule } from '../../dataplane/nftables/ruleset.ts';
import type { Family } from '../../net/address.ts';
import { carriedChains, carriedSets, TALLY } from './carried.ts';
import { type DialledKind, dialledFields, dialledRules, eachDialled } from './dialled.ts';

/*
 * Who dialled what and how it ended is noted by the rules themselves, in sets whose elements count: one for each device and what it
 * dialled, however many packets that takes. The agent reads and empties them every few seconds. What finds a set full is not noted, and
 * fares as if it were; the chain's own counter has it all the same.
 */

/** Which connections are noted. */
export type AuditedConnections = 'None' | 'Denied' | 'All';

/** How a connection ended that was noted. */
export type Verdict = 'denied' | 'accepted';

/** The chain through which what ends so goes, and whose first counter counts it. */
export const AUDIT_CHAINS: Readonly<Record<Verdict, string>> = { denied: 'deny', accepted: 'let_in' };

/** So many devices and destinations are told apart between two looks; more would make a look long. */
const MOST = 8_192;
/** Only where no agent reads them: the sets are emptied every few seconds. */
const KEPT = '1h';

/** What is noted at all. */
export function auditedVerdicts(audited: AuditedConnections): readonly Verdict[] {
  if (audited === 'None') return [];
  return audited === 'Denied' ? ['denied'] : ['denied', 'accepted'];
}

/** The names of the sets that hold what ended so. */
export function auditSetNames(verdict: Verdict): readonly string[] {
  return eachDialled((family, kind) => setName(verdict, family, kind));
}

/** Filled by the rules of `auditChains` alone. */
export function auditSets(audited: AuditedConnections): readonly NamedSet[] {
  const dynamic = { interval: false, timeout: KEPT, size: MOST, elements: [] };
  const noted = auditedVerdicts(audited).flatMap((verdict) =>
    eachDialled((family, kind) => ({
      ...dynamic,
      name: setName(verdict, family, kind),
      type: dialledFields(family, kind),
    })),
  );
  return [...noted, ...(audited === 'All' ? carriedSets() : [])];
}

/**
 * The chains that note a connection and then do with it what is done; they stand after `refuse`. `devices` is how a rule names the
 * gateway's own interfaces.
 */
export function auditChains(audited: AuditedConnections, devices: string): readonly Chain[] {
  const counter = { text: 'counter', comment: 'connections noted, and those for which there was no room' };
  const known = { text: `ct status & confirmed != 0 goto ${TALLY}`, comment: 'noted by its first packet' };
  const rules: Readonly<Record<Verdict, readonly Rule[]>> = {
    denied: [counter, ...notes('denied'), { text: 'goto refuse' }],
    accepted: [known, counter, ...notes('accepted'), { text: `goto ${TALLY}` }],
  };
  const noting = auditedVerdicts(audited).map((verdict) => ({ name: AUDIT_CHAINS[verdict], rules: rules[verdict] }));
  return [...(audited === 'All' ? carriedChains(devices) : []), ...noting];
}

/** What a rule says that refuses. */
export function refusal(audited: AuditedConnections): string {
  return audited === 'None' ? 'goto refuse' : `goto ${AUDIT_CHAINS.denied}`;
}

/** What a rule says that lets a connection in. */
export function admission(audited: AuditedConnections): string {
  return audited === 'All' ? `goto ${AUDIT_CHAINS.accepted}` : 'accept';
}

function notes(verdict: Verdict): readonly Rule[] {
  return dialledRules(
    (ip) => `${ip} saddr`,
    (family, kind, element) => `update @${setName(verdict, family, kind)} { ${element} counter }`,
  );
}

function setName(verdict: Verdict, family: Family, kind: DialledKind): string {
  return `${SEEN_PREFIX}${verdict}${kind === 'other' ? '_other' : ''}${family}`;
}
