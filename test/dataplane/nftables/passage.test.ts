import { describe, expect, test } from 'vitest';
import { chainKey, type ForeignRule, parseChains, parseRules } from '../../../src/dataplane/nftables/foreign.ts';
import { type ImaginedPacket, OTHER } from '../../../src/dataplane/nftables/imagined-packet.ts';
import { passage } from '../../../src/dataplane/nftables/passage.ts';

const BASE = { family: 'ip', table: 'filter', name: 'FORWARD', type: 'filter', hook: 'forward' } as const;
const FROM_MESH: ImaginedPacket = { device: 'wg-default', iif: 'wg-default', oif: OTHER, ctState: 'new' };
const TUNNEL: ImaginedPacket = { device: 'wg-default', iif: OTHER, protocol: 'udp', dport: 51840, ctState: 'new' };

const match = (left: object, right: unknown, op = '==') => ({ match: { op, left, right } });
const iif = (name: unknown, op?: string) => match({ meta: { key: 'iifname' } }, name, op);
const oif = (name: unknown, op?: string) => match({ meta: { key: 'oifname' } }, name, op);
const dport = (port: unknown, protocol = 'udp') => match({ payload: { protocol, field: 'dport' } }, port);
const state = (...states: string[]) => match({ ct: { key: 'state' } }, states, 'in');
const mark = match({ meta: { key: 'mark' } }, 0x4000);
const counter = { counter: { packets: 0, bytes: 0 } };
const accept = { accept: null };
const drop = { drop: null };
const jump = (target: string) => ({ jump: { target } });
const xt = (name: string, type = 'match') => ({ xt: { type, name } });

type Chains = Readonly<Record<string, readonly ForeignRule[]>>;

function fare(policy: string, forward: readonly ForeignRule[], others: Chains = {}, packet = FROM_MESH): string {
  const named = Object.entries({ FORWARD: forward, ...others });
  const rules = new Map(named.map(([name, list]) => [chainKey({ ...BASE, name }), list]));
  const chain = { ...BASE, policy };
  return passage({ chains: [chain], rules, unseen: [] }, chain, packet);
}

describe('a packet from the mesh in a chain of another program', () => {
  test.each<[string, string, readonly ForeignRule[], Chains?]>([
    ['open', 'policy accept and no rule', []],
    ['open', 'a rule that accepts our interface', [[iif('wg-default'), counter, accept]]],
    ['open', 'a rule that accepts all that begin so', [[iif('wg*'), accept]]],
    ['open', 'a rule that accepts one of several', [[iif({ set: ['eth0', 'wg-default'] }), accept]]],
    ['open', 'everything but one other interface', [[iif('docker0', '!='), accept]]],
    ['open', 'what follows a jump', [[jump('USER')], [accept]], { USER: [[{ return: null }], [drop]] }],
    ['closed', 'no rule at all', []],
    ['closed', 'rules for others', [[iif('docker0'), accept]]],
    ['closed', 'rules for what is established', [[state('established', 'related'), accept]]],
    ['closed', 'a jump that comes back', [[jump('USER')]], { USER: [[counter]] }],
    ['closed', 'an acceptance that comes after a refusal', [[{ reject: null }], [accept]]],
    ['unless-accepted', 'a rule about a mark', [[mark, accept]]],
    ['unless-accepted', 'a rule about where it goes', [[oif('cni0'), accept]]],
    ['unless-accepted', "an extension of iptables'", [[xt('conntrack'), counter, accept]]],
    ['unless-accepted', 'an extension as nft 1.0.2 prints it', [[{ xt: null }, counter, accept]]],
    ['unless-accepted', 'a verdict map', [[{ vmap: { key: {}, data: '@verdicts' } }]]],
    ['unless-accepted', 'a jump to a chain that was not read', [[jump('KUBE-FORWARD')]]],
    ['unless-accepted', 'a chain that jumps to itself', [[jump('LOOP')]], { LOOP: [[jump('LOOP')]] }],
  ])('is %s by %s', (expected, what, rules, others) => {
    const policy = what === 'policy accept and no rule' ? 'accept' : 'drop';
    expect(fare(policy, rules, others)).toBe(expected);
  });

  test.each<[string, string, readonly ForeignRule[]]>([
    ['closed', 'a rule that drops our interface', [[iif('wg-default'), drop]]],
    ['closed', 'a REJECT of iptables', [[counter, xt('REJECT', 'target')]]],
    ['open', 'a refusal that depends on what is not known', [[mark, drop]]],
    ['open', 'a refusal beyond a limit', [[{ limit: { rate: 5 } }, drop]]],
    ['open', 'a rule that only counts', [[counter, xt('LOG', 'target')]]],
    ['unless-accepted', 'a last refusal after an acceptance that depends', [[mark, accept], [drop]]],
  ])('is %s by %s under policy accept', (expected, _what, rules) => {
    expect(fare('accept', rules)).toBe(expected);
  });
});

test.each<[string, string, readonly ForeignRule[]]>([
  ['closed', 'its port', [[dport(51840), drop]]],
  ['closed', 'a range of ports, of either protocol', [[dport({ range: [51000, 52000] }, 'th'), drop]]],
  ['closed', 'its protocol', [[match({ payload: { protocol: 'ip', field: 'protocol' } }, 'udp'), drop]]],
  ['closed', 'all but loopback', [[iif('lo', '!='), drop]]],
  ['open', 'another port', [[dport(51841), drop]]],
  ['open', 'the port of TCP', [[dport(51840, 'tcp'), drop]]],
  ['open', 'a named set of ports', [[dport('@ports'), drop]]],
])("WireGuard's packet is %s by a rule about %s", (expected, _what, rules) => {
  expect(fare('accept', rules, {}, TUNNEL)).toBe(expected);
});

describe('nft -j list chains', () => {
  test('is read, and what is no chain is passed over', () => {
    const other = [{ metainfo: { version: '1.0.6' } }, { chain: { name: 5 } }, 7, { table: {} }];
    expect(
      parseChains(JSON.stringify({ nftables: [...other, { chain: { ...BASE, handle: 1, prio: 0, policy: 'drop' } }] })),
    ).toEqual([{ ...BASE, policy: 'drop' }]);
  });

  test.each(['', 'x', '[]', '{"nftables": 5}'])('is refused when it is %j', (text) => {
    expect(() => parseChains(text)).toThrow(/cannot read the output of nft -j list chains/);
  });

  test('rules beyond the bound are left out', () => {
    const rules = Array.from({ length: 9 }, () => ({ rule: { expr: [accept] } }));
    expect(parseRules(JSON.stringify({ nftables: rules }), 4)).toHaveLength(4);
  });
});
