import {
  chainKey,
  type ForeignChain,
  type ForeignRule,
  type ForeignRuleset,
  parseChains,
  parseRules,
  targetsOf,
} from '../dataplane/nftables/foreign.ts';
import type { Commands } from './exec.ts';
import { failedSaying } from './exec-error.ts';
import type { SmallFiles } from './sysctls.ts';

/** One look costs one command for all chains and one for each of these; rules beyond are not read, and count as unknown. */
const MOST_CHAINS = 64;
const MOST_RULES = 1_000;
const HOOKS = new Set(['prerouting', 'input', 'forward', 'output']);
const FAMILIES = new Set(['ip', 'ip6', 'inet']);
/** iptables-legacy names its tables here (net/ipv4/netfilter/ip_tables.c), and nft shows none of them. */
const LEGACY = [
  ['/proc/net/ip_tables_names', 'iptables-legacy'],
  ['/proc/net/ip6_tables_names', 'ip6tables-legacy'],
] as const;

/**
 * What other programs filter at the hooks that the mesh's packets pass. Chains of the service proxy, which may have ten thousand
 * rules, are not read. Changes nothing.
 */
export async function readForeignRules(
  commands: Commands,
  files: SmallFiles,
  ownTable: string,
): Promise<ForeignRuleset> {
  const all = parseChains(await commands.run(['nft', '-j', 'list', 'chains']));
  const foreign = all.filter(({ family, table }) => !(family === 'inet' && table === ownTable));
  const rules = new Map<string, readonly ForeignRule[]>();
  const queue = foreign.filter(mayFilter);
  for (let chain = queue.shift(); chain !== undefined && rules.size < MOST_CHAINS; chain = queue.shift()) {
    if (rules.has(chainKey(chain))) continue;
    const found = await rulesOf(commands, chain);
    if (found === undefined) continue;
    rules.set(chainKey(chain), found);
    const { family, table } = chain;
    const targets = new Set(found.flatMap(targetsOf).filter((name) => !isProxyChain(name)));
    queue.push(...[...targets].map((name) => ({ family, table, name })));
  }
  const unseen: string[] = [];
  for (const [path, tool] of LEGACY) if (/^filter$/m.test((await files.read(path)) ?? '')) unseen.push(tool);
  return { chains: foreign.filter((chain) => chain.hook !== undefined || rules.has(chainKey(chain))), rules, unseen };
}

function mayFilter({ family, table, type, hook }: ForeignChain): boolean {
  return type === 'filter' && HOOKS.has(hook ?? '') && FAMILIES.has(family) && table !== 'kube-proxy';
}

function isProxyChain(name: string): boolean {
  return name.startsWith('KUBE-');
}

/** Undefined when the chain went away meanwhile. */
async function rulesOf(commands: Commands, { family, table, name }: ForeignChain) {
  try {
    return parseRules(await commands.run(['nft', '-j', '-s', 'list', 'chain', family, table, name]), MOST_RULES);
  } catch (error) {
    if (failedSaying(error, /No such file or directory/)) return undefined;
    throw error;
  }
}
