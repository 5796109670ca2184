import { isObject, type JsonObject, jsonList, jsonObject, parseJson } from '../json.ts';

/** A chain that is not ours, as `nft -j list chains` tells it; a base chain has a hook. */
export interface ForeignChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly type?: string | undefined;
  readonly hook?: string | undefined;
  readonly policy?: string | undefined;
}

/** A rule as the list of its statements, in nft's JSON; nothing of it has been looked at. */
export type ForeignRule = readonly JsonObject[];

/** What other programs have in nftables, as far as it was read. */
export interface ForeignRuleset {
  readonly chains: readonly ForeignChain[];
  /** By `chainKey`; a chain that is missing here was not read. */
  readonly rules: ReadonlyMap<string, readonly ForeignRule[]>;
  /** The tools whose rules nft does not show and that have a filter table: `iptables-legacy`, `ip6tables-legacy`. */
  readonly unseen: readonly string[];
}

/** Nothing but what we made. */
export const NO_FOREIGN_RULES: ForeignRuleset = { chains: [], rules: new Map(), unseen: [] };

const LIST_CHAINS = 'nft -j list chains';
const LIST_CHAIN = 'nft -j list chain';

export function chainKey({ family, table, name }: Pick<ForeignChain, 'family' | 'table' | 'name'>): string {
  return `${family} ${table} ${name}`;
}

/** Reads `nft -j list chains`, as nft prints it since 0.9; what is no chain is passed over. @throws {UnreadableOutput} */
export function parseChains(text: string): readonly ForeignChain[] {
  return listed(LIST_CHAINS, text).flatMap(({ chain }) => {
    if (!isObject(chain)) return [];
    const { family, table, name, type, hook, policy } = chain;
    if (typeof family !== 'string' || typeof table !== 'string' || typeof name !== 'string') return [];
    return [{ family, table, name, type: textOf(type), hook: textOf(hook), policy: textOf(policy) }];
  });
}

/** Reads the rules of `nft -j list chain`, at most `most` of them. @throws {UnreadableOutput} */
export function parseRules(text: string, most: number): readonly ForeignRule[] {
  return listed(LIST_CHAIN, text)
    .flatMap(({ rule }) => (isObject(rule) ? [jsonList(LIST_CHAIN, rule.expr).filter(isObject)] : []))
    .slice(0, most);
}

/** The chains of the same table to which a rule goes on. */
export function targetsOf(rule: ForeignRule): readonly string[] {
  return rule.flatMap(({ jump, goto }) => {
    const verdict = isObject(jump) ? jump : goto;
    return isObject(verdict) && typeof verdict.target === 'string' ? [verdict.target] : [];
  });
}

function listed(tool: string, text: string): readonly JsonObject[] {
  return jsonList(tool, jsonObject(tool, parseJson(tool, text)).nftables).filter(isObject);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
