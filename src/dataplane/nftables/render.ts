import type { Family } from '../../net/address.ts';
import { digest } from './digest.ts';
import type { Chain, ElementChange, NamedSet, Rule, Ruleset } from './ruleset.ts';

/*
 * What the table says about itself stands in the names of empty chains. Comments would be the obvious place, but nft 1.0.6
 * leaves the comments of tables and chains out of its JSON.
 */
const WRITTEN = 'written_';
const SEAL = 'seal_';
const TURNED_ON = 'turned_on_forwarding_';

/** What a chain that says something about the table says; undefined for a chain with rules to run. */
export type Marker =
  | { readonly kind: 'written' | 'seal'; readonly value: string }
  | { readonly kind: 'turned-on'; readonly family: Family };

/** Reads the name of a chain as a marker. */
export function parseMarker(chain: string): Marker | undefined {
  if (chain.startsWith(WRITTEN)) return { kind: 'written', value: chain.slice(WRITTEN.length) };
  if (chain.startsWith(SEAL)) return { kind: 'seal', value: chain.slice(SEAL.length) };
  if (chain === `${TURNED_ON}4`) return { kind: 'turned-on', family: 4 };
  if (chain === `${TURNED_ON}6`) return { kind: 'turned-on', family: 6 };
  return undefined;
}

/** Names what a table is apart from its sets' elements, so that a change of elements alone is seen to be one. */
export function structureDigest(ruleset: Ruleset): string {
  return digest(body({ ...ruleset, sets: ruleset.sets.map((set) => ({ ...set, elements: [] })) }));
}

/** The table's own text: sets, then chains. */
export function renderRuleset(ruleset: Ruleset): string {
  return `table inet ${ruleset.table} {\n${body(ruleset)}}\n`;
}

/**
 * One atomic transaction that puts the table in place of whatever bears its name. The first line makes the deletion work
 * where there is none yet (nft 1.0.6 has no `destroy`). `turnedOn` is carried over from the table before.
 */
export function renderReplacement(ruleset: Ruleset, turnedOn: readonly Family[]): string {
  const name = `inet ${ruleset.table}`;
  const markers = [`${WRITTEN}${structureDigest(ruleset)}`, ...turnedOn.map(turnedOnChain)];
  const chains = markers.map((chain) => `  chain ${chain} {\n  }\n`).join('');
  return `table ${name}\ndelete table ${name}\ntable ${name} {\n${chains}${body(ruleset)}}\n`;
}

/** One transaction that changes elements and leaves rules, counters and all other elements alone. */
export function renderElementChanges(table: string, changes: readonly ElementChange[]): string {
  const lines = changes.flatMap(({ set, added, removed }) => [
    ...(removed.length === 0 ? [] : [`delete element inet ${table} ${set} { ${removed.join(', ')} }\n`]),
    ...(added.length === 0 ? [] : [`add element inet ${table} ${set} { ${added.join(', ')} }\n`]),
  ]);
  return lines.join('');
}

/** Records in the table what the kernel held right after it had been written (`fingerprint` of the parser). */
export function renderSeal(table: string, fingerprint: string): string {
  return `add chain inet ${table} ${SEAL}${fingerprint}\n`;
}

/** The empty chain that records that forwarding of the family was off before us. */
export function turnedOnChain(family: Family): string {
  return `${TURNED_ON}${family}`;
}

function body(ruleset: Ruleset): string {
  return [...ruleset.sets.map(setText), ...ruleset.chains.map(chainText)].join('');
}

function setText(set: NamedSet): string {
  const lines = [`type ${set.type.join(' . ')}`];
  if (set.interval) lines.push('flags interval');
  if (set.timeout !== undefined)
    lines.push(`size ${set.size ?? 65_535}`, 'flags dynamic,timeout', `timeout ${set.timeout}`);
  if (set.elements.length > 0) lines.push(`elements = { ${set.elements.join(', ')} }`);
  return block(`set ${set.name}`, lines);
}

function chainText(chain: Chain): string {
  const { hook } = chain;
  const head =
    hook === undefined ? [] : [`type ${hook.type} hook ${hook.hook} priority ${hook.priority}; policy accept;`];
  return block(`chain ${chain.name}`, [...head, ...chain.rules.map(ruleText)]);
}

function ruleText(rule: Rule): string {
  return rule.comment === undefined ? rule.text : `${rule.text} comment ${JSON.stringify(rule.comment)}`;
}

function block(head: string, lines: readonly string[]): string {
  return `  ${head} {\n${lines.map((line) => `    ${line}\n`).join('')}  }\n`;
}
