import { chainKey, parseChains, parseRules } from '../../src/dataplane/nftables/foreign.ts';
import { foreignFirewall } from '../../src/mesh/foreign-firewall.ts';

const BASE = { family: 'ip', table: 'filter', handle: 1, type: 'filter', prio: 0 };
const iifname = { meta: { key: 'iifname' } };
const dport = { payload: { protocol: 'udp', field: 'dport' } };

/** Chains and rules of other programs, with every kind of statement that is looked at. */
export const NFT_FOREIGN = {
  nftables: [
    { metainfo: { version: '1.0.6', json_schema_version: 1 } },
    { chain: { ...BASE, name: 'FORWARD', hook: 'forward', policy: 'drop' } },
    { chain: { ...BASE, name: 'INPUT', hook: 'input', policy: 'accept' } },
    { rule: { expr: [{ match: { op: '==', left: iifname, right: { set: ['wg*', 'eth0'] } } }, { accept: null }] } },
    {
      rule: {
        expr: [{ match: { op: '!=', left: dport, right: { range: [1, 51000] } } }, { jump: { target: 'INPUT' } }],
      },
    },
    {
      rule: {
        expr: [{ xt: { type: 'target', name: 'REJECT' } }, { limit: { rate: 5 } }, { goto: { target: 'FORWARD' } }],
      },
    },
    {
      rule: {
        expr: [{ match: { op: 'in', left: { ct: { key: 'state' } }, right: ['new'] } }, { vmap: {} }, { drop: null }],
      },
    },
  ],
};

/** Reads chains and rules out of one text and judges them: the rules are those of each chain. */
export function judgeForeign(input: string): string | undefined {
  const chains = parseChains(input);
  const rules = parseRules(input, 1_000);
  const ruleset = { chains, rules: new Map(chains.map((chain) => [chainKey(chain), rules])), unseen: [] };
  return foreignFirewall(ruleset, {
    device: 'wg-default',
    listenPort: 51840,
    families: [4, 6],
    failing: 'services',
    hasSessions: false,
  });
}
