import { type HalvedSets, SEEN_PREFIX } from '../../dataplane/nftables/counted.ts';
import type { Chain, NamedSet, Rule } from '../../dataplane/nftables/ruleset.ts';
import type { Family } from '../../net/address.ts';
import { type DialledKind, dialledFields, dialledRules, eachDialled } from './dialled.ts';

/*
 * What connections carry that were let in is counted packet by packet, in both directions, where the gateway audits what it lets in. The
 * element is found by what conntrack says was dialled, which is the same of a packet and of its answer. Rules fill one half of the sets at
 * a time. The agent has them fill the other half, and then reads and empties what nothing changes any more.
 */

/** The sets, and how rules know which half to fill. */
export const CARRIED: HalvedSets = {
  turned: `${SEEN_PREFIX}half`,
  elements: ['ipv4', 'ipv6'],
  halves: [setNames('a'), setNames('b')],
};

/** The chain that counts what a packet carries and lets it pass. */
export const TALLY = 'tally';

/** The chain of what no set had room for, and whose first counter counts that. */
export const NO_ROOM = 'no_room';

/** The chain that sends on to `TALLY` what belongs to a connection that is audited, and returns for the rest. */
const CHAIN = 'carried';

/** So many elements has a set at most; what one device dialled takes two. More would make a look long, and each look at the table. */
export const MOST_CARRIED = 16_384;
/** Only where no agent reads them. A packet that finds its element does not renew it: it writes nothing but the counter. */
const KEPT = '1d';

type Half = 'a' | 'b';

/**
 * What a rule says that sends packets there. `original` are those of whoever dialled, to be counted as they come from the mesh; `reply` are
 * the answers, to be counted as they leave for it, wherever from. So a packet between two devices counts once.
 */
export function toCarried(direction: 'original' | 'reply'): string {
  return `ct state established ct direction ${direction} jump ${CHAIN}`;
}

/** Filled by the rules of `carriedChains` alone, but for the set by which they know the half. */
export function carriedSets(): readonly NamedSet[] {
  const dynamic = { interval: false, timeout: KEPT, elements: [] };
  const half = (name: Half) =>
    eachDialled(
      (family, kind): NamedSet => ({
        ...dynamic,
        name: setName(name, family, kind),
        type: [...dialledFields(family, kind), 'ct_dir'],
        size: MOST_CARRIED,
      }),
    );
  const turned: NamedSet = { ...dynamic, name: CARRIED.turned, type: ['nf_proto'], size: CARRIED.elements.length };
  return [turned, ...half('a'), ...half('b')];
}

/**
 * The chains through which packets of connections go. A connection is audited by where it leads, as it was when it was let in: to a Service, to
 * what else is advertised, and between `devices`, the gateway's own interfaces, where they may talk. What the gateway itself answers and the internet are neither.
 */
export function carriedChains(devices: string): readonly Chain[] {
  const to = (daddr: string, set: string): Rule => ({ text: `ct original ${daddr} @${set} goto ${TALLY}` });
  return [
    { name: NO_ROOM, rules: [{ text: 'counter', comment: 'carried, and no set had room' }, { text: 'accept' }] },
    { name: `${TALLY}_a`, rules: tallied('a') },
    { name: `${TALLY}_b`, rules: tallied('b') },
    { name: TALLY, rules: [{ text: `meta nfproto @${CARRIED.turned} goto ${TALLY}_b` }, { text: `goto ${TALLY}_a` }] },
    {
      name: CHAIN,
      rules: [
        to('ip daddr', 'services4'),
        to('ip daddr', 'routed4'),
        to('ip6 daddr', 'services6'),
        to('ip6 daddr', 'routed6'),
        { text: `iifname ${devices} oifname ${devices} goto ${TALLY}`, comment: 'peer to peer' },
      ],
    },
  ];
}

function tallied(half: Half): readonly Rule[] {
  const rules = dialledRules(
    (ip) => `ct original ${ip} saddr`,
    (family, kind, element) => `add @${setName(half, family, kind)} { ${element} . ct direction counter } accept`,
  );
  return [...rules, { text: `goto ${NO_ROOM}` }];
}

function setNames(half: Half): readonly string[] {
  return eachDialled((family, kind) => setName(half, family, kind));
}

function setName(half: Half, family: Family, kind: DialledKind): string {
  return `${SEEN_PREFIX}carried${kind === 'other' ? '_other' : ''}_${half}${family}`;
}
