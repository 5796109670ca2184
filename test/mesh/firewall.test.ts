import { describe, expect, test } from 'vitest';
import { parseTable } from '../../src/dataplane/nftables/parse.ts';
import { renderReplacement, structureDigest } from '../../src/dataplane/nftables/render.ts';
import type { Ruleset } from '../../src/dataplane/nftables/ruleset.ts';
import { NOTHING_GRANTED } from '../../src/mesh/access/access.ts';
import { type FirewallInput, firewall } from '../../src/mesh/firewall.ts';
import { NOT_PUBLIC } from '../../src/mesh/internet.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import { because } from '../support/because.ts';
import { allGranted } from '../support/grants.ts';
import { nftMissing, tryNft } from '../support/nft.ts';

const INPUT: FirewallInput = {
  table: 'sallyport_default',
  device: 'wg-default',
  gatewayAddresses: ['10.213.0.1', 'fd5a:213::1'] as IpAddress[],
  pool: ['10.213.0.0/16', 'fd5a:213::/64'] as Cidr[],
  serviceCidrs: ['10.96.0.0/12', 'fd5a:96::/112'] as Cidr[],
  routedCidrs: ['10.50.0.0/16', '10.51.0.1/32'] as Cidr[],
  dnsServers: ['10.96.0.10', 'fd5a:96::a'] as IpAddress[],
  accessDefault: 'Allow',
  granted: NOTHING_GRANTED,
  peerToPeer: 'Deny',
  newConnectionsPerSecond: 500,
  full: ['10.213.0.17', 'fd5a:213::17', '10.213.0.16'] as IpAddress[],
  audited: 'None',
  proxyMode: 'nftables',
  listenPorts: [51840],
  tellsMovedFlows: true,
};

const rules = (ruleset: Ruleset, chain: string) =>
  ruleset.chains.find(({ name }) => name === chain)?.rules.map(({ text }) => text) ?? [];
const elements = (ruleset: Ruleset, set: string) => ruleset.sets.find(({ name }) => name === set)?.elements;

/** Of all rules at a hook the only one that is not about the mesh. */
const TELLING = /^(udp dport \S+|meta l4proto udp) ct state new .* goto begun_with_data$/;

/** Before anything else is asked of what opens a connection. */
const PACED = [
  'ct state new ct status & confirmed == 0 update @opening4 { ip saddr limit rate over 500/second burst 2000 packets } goto flood',
  'ct state new ct status & confirmed == 0 update @opening6 { ip6 saddr limit rate over 500/second burst 2000 packets } goto flood',
];
const HELD = [
  'ct state new ct status & confirmed == 0 ip saddr @full4 goto too_many',
  'ct state new ct status & confirmed == 0 ip6 saddr @full6 goto too_many',
];

describe('what may leave the mesh', () => {
  test('answers first; then forgotten connections, other laptops, Services, the leak guard, what else is advertised; the rest is refused', () => {
    expect(rules(firewall(INPUT), 'from_mesh')).toEqual([
      'ct state established,related accept',
      'tcp flags & (fin | syn | rst | ack) != syn ct state new goto refuse',
      ...PACED,
      ...HELD,
      'oifname "wg-default" goto refuse',
      'jump access',
      'ip daddr @services4 goto refuse',
      'ip6 daddr @services6 goto refuse',
      'ct original ip daddr @routed4 accept',
      'ct original ip6 daddr @routed6 accept',
      'goto refuse',
    ]);
  });

  test('by default is every Service, as dialled', () => {
    expect(rules(firewall(INPUT), 'access')).toEqual([
      'ct original ip daddr @services4 ct status dnat accept',
      'ct original ip6 daddr @services6 ct status dnat accept',
    ]);
  });

  test('is DNS alone where access is denied by default', () => {
    const ruleset = firewall({ ...INPUT, accessDefault: 'Deny' });
    expect(rules(ruleset, 'access').every((text) => /@granted_|@by_peer_|@probe/.test(text))).toBe(true);
    expect(elements(ruleset, 'probe4')).toEqual(['10.213.0.15']);
    expect(rules(ruleset, 'from_mesh').join()).not.toContain('@routed');
    expect(elements(ruleset, 'granted_udp4')).toEqual(['10.96.0.10 . 53']);
    expect(elements(ruleset, 'granted_tcp6')).toEqual(['fd5a:96::a . 53']);
  });

  test('is besides what single devices were granted', () => {
    const texts = ['10.213.0.20 tcp 10.96.0.20 80', '10.213.0.20 tcp 10.96.0.20 80', 'fd5a:213::20 udp fd5a:96::20 53'];
    const granted = allGranted(...texts);
    const ruleset = firewall({ ...INPUT, accessDefault: 'Deny', granted });
    expect(elements(ruleset, 'by_peer_tcp4')).toEqual(['10.213.0.20 . 10.96.0.20 . 80']);
    expect(elements(ruleset, 'by_peer_udp6')).toEqual(['fd5a:213::20 . fd5a:96::20 . 53']);
    expect(elements(ruleset, 'by_peer_udp4')).toEqual([]);
  });

  test('of grants, nothing is said where everything is allowed', () => {
    expect(firewall({ ...INPUT, granted: allGranted('10.213.0.20 tcp 10.96.0.20 80') })).toEqual(firewall(INPUT));
  });

  test('includes other laptops when the gateway says so', () => {
    expect(rules(firewall({ ...INPUT, peerToPeer: 'Allow' }), 'from_mesh')).toContain('oifname "wg-default" accept');
  });
});

describe('the internet', () => {
  const open = firewall({ ...INPUT, keptFromInternet: ['10.0.0.0/8', '2001:db8::/32'] as Cidr[] });

  test('comes after all that is refused or let through without it', () => {
    const without = rules(firewall(INPUT), 'from_mesh');
    expect(rules(open, 'from_mesh')).toEqual([
      ...without.slice(0, -1),
      'ct status dnat goto refuse',
      'ip daddr @kept4 goto refuse',
      'ip6 daddr @kept6 goto refuse',
      'ct state new accept',
      'goto refuse',
    ]);
  });

  test('changes no other chain', () => {
    for (const { name } of open.chains.filter((chain) => chain.name !== 'from_mesh'))
      expect(rules(open, name)).toEqual(rules(firewall(INPUT), name));
  });

  test('is not there unless it is asked for', () => {
    expect(firewall({ ...INPUT, keptFromInternet: undefined })).toEqual(firewall(INPUT));
  });
});

describe('what may reach the node', () => {
  test('is answers, pings, questions for configurations, and Services with an endpoint on the node', () => {
    expect(rules(firewall(INPUT), 'to_node')).toEqual([
      'ct state established,related accept',
      'tcp flags & (fin | syn | rst | ack) != syn ct state new goto refuse',
      ...PACED,
      'ip daddr @gateway4 icmp type echo-request accept',
      'ip6 daddr @gateway6 icmpv6 type echo-request accept',
      'ip daddr @gateway4 tcp dport 51840 accept',
      'ip6 daddr @gateway6 tcp dport 51840 accept',
      ...HELD,
      'jump access',
      'ip daddr . tcp dport @granted_tcp4 fib daddr type local accept',
      'ip daddr . udp dport @granted_udp4 fib daddr type local accept',
      'ip6 daddr . tcp dport @granted_tcp6 fib daddr type local accept',
      'ip6 daddr . udp dport @granted_udp6 fib daddr type local accept',
      'goto refuse',
    ]);
  });

  test.each([
    ['ipvs', 'Allow', true],
    ['ipvs', 'Deny', false],
    ['nftables', 'Allow', false],
    ['iptables', 'Allow', false],
    ['unknown', 'Allow', false],
  ] as const)('with %s and access %s: all ClusterIPs of the node itself: %s', (proxyMode, accessDefault, open) => {
    const text = rules(firewall({ ...INPUT, proxyMode, accessDefault }), 'to_node').join();
    expect(text.includes('@services4 fib daddr type local accept')).toBe(open);
  });
});

describe('the table', () => {
  test('is the same for the same input in another order', () => {
    const reversed = firewall({
      ...INPUT,
      pool: [...INPUT.pool].reverse(),
      serviceCidrs: [...INPUT.serviceCidrs].reverse(),
      routedCidrs: ['10.51.0.1/32', '10.50.1.0/24', '10.50.0.0/16'] as Cidr[],
      dnsServers: [...INPUT.dnsServers, ...INPUT.dnsServers],
    });
    expect(reversed).toEqual(firewall(INPUT));
  });

  test('has the same rules whatever prefixes and addresses there are', () => {
    const bare = firewall({
      ...INPUT,
      gatewayAddresses: [],
      pool: [],
      serviceCidrs: [],
      routedCidrs: [],
      dnsServers: [],
    });
    expect(structureDigest(bare)).toBe(structureDigest(firewall(INPUT)));
  });

  test('speaks of its own interface only and sets no mark', () => {
    const text = renderReplacement(firewall(INPUT), []);
    expect(text).not.toMatch(/mark/);
    for (const [name] of text.matchAll(/(?<=[io]ifname (!= )?)"[^"]*"/g)) expect(name).toBe('"wg-default"');
  });

  test('has comments that nft takes', () => {
    for (const { comment = '' } of firewall(INPUT).chains.flatMap((chain) => chain.rules))
      expect(Buffer.byteLength(comment)).toBeLessThan(128);
  });

  test('tells of flows to WireGuard that begin with data, and does nothing to them; or has no rule for that', () => {
    const telling = firewall(INPUT);
    expect(rules(telling, 'on_input').filter((text) => TELLING.test(text))).toHaveLength(1);
    for (const text of [...rules(telling, 'begun_with_data'), ...rules(telling, 'moved_flow')])
      expect(text).not.toMatch(/accept|drop|reject/);
    const silent = firewall({ ...INPUT, tellsMovedFlows: false });
    expect(rules(silent, 'on_input').filter((text) => TELLING.test(text))).toEqual([]);
    expect(silent.chains.map(({ name }) => name)).not.toContain('moved_flow');
    expect(silent.sets.map(({ name }) => name)).not.toContain('told4');
  });

  test('asks at every port where ipvs has yet to translate it, and elsewhere only at those of WireGuard', () => {
    const asked = (proxyMode: FirewallInput['proxyMode']) =>
      rules(firewall({ ...INPUT, proxyMode }), 'on_input').filter((text) => TELLING.test(text));
    expect(asked('ipvs')).toEqual([expect.stringMatching(/^meta l4proto udp /)]);
    for (const mode of ['nftables', 'iptables', 'unknown'] as const)
      expect(asked(mode)).toEqual([expect.stringMatching(/^udp dport 51840 /)]);
  });

  test('never stops what is not ours', () => {
    for (const chain of firewall(INPUT).chains.filter(({ hook }) => hook !== undefined))
      for (const { text } of chain.rules.filter((rule) => !TELLING.test(rule.text)))
        expect(text).toMatch(/ifname "wg-default"|saddr @pool/);
  });
});

const VARIANTS = (['Allow', 'Deny'] as const).flatMap((accessDefault) =>
  (['Allow', 'Deny'] as const).flatMap((peerToPeer) =>
    (['nftables', 'ipvs'] as const).map((proxyMode) => ({ accessDefault, peerToPeer, proxyMode })),
  ),
);

describe.skipIf(nftMissing)(`the real nft${because(nftMissing)}`, () => {
  test.each([
    ...VARIANTS,
    { serviceCidrs: [], routedCidrs: [], dnsServers: [], gatewayAddresses: [] },
    { keptFromInternet: NOT_PUBLIC },
    { serviceCidrs: ['10.0.0.0/9', '10.128.0.0/9'] as Cidr[], routedCidrs: ['0.0.0.0/0', '::/0'] as Cidr[] },
  ])('takes the table, twice, and lists what was written: %o', (variant) => {
    const ruleset = firewall({ ...INPUT, ...variant });
    const { stderr, listing } = tryNft(renderReplacement(ruleset, [4, 6]), ruleset.table);
    expect(stderr).toBe('');
    const { observed } = parseTable(listing, ruleset.table);
    expect(observed.written).toBe(structureDigest(ruleset));
    expect(observed.turnedOn).toEqual([4, 6]);
    for (const set of ruleset.sets)
      expect([...(observed.elements.get(set.name) ?? [])].sort()).toEqual([...set.elements].sort());
  });
});

test('a device may open connections as fast as it likes where its gateway has no limit', () => {
  const without = firewall({ ...INPUT, newConnectionsPerSecond: 0 });
  expect(rules(without, 'from_mesh').filter((rule) => [...PACED, ...HELD].includes(rule))).toEqual(HELD);
  expect(without.chains.map(({ name }) => name)).not.toContain('flood');
  expect(without.sets.filter(({ name }) => name.startsWith('opening'))).toEqual([]);
});

test('whoever has too many connections open is in a set, so that the rules are the same whoever it is', () => {
  const some = firewall(INPUT);
  expect([elements(some, 'full4'), elements(some, 'full6')]).toEqual([
    ['10.213.0.16', '10.213.0.17'],
    ['fd5a:213::17'],
  ]);
  expect(firewall({ ...INPUT, full: [] }).chains).toEqual(some.chains);
});

test('a device may keep as many connections open as it likes where its gateway has no limit', () => {
  const without = firewall({ ...INPUT, full: undefined });
  expect(rules(without, 'from_mesh').filter((rule) => [...PACED, ...HELD].includes(rule))).toEqual(PACED);
  expect(without.chains.map(({ name }) => name)).not.toContain('too_many');
  expect(without.sets.filter(({ name }) => name.startsWith('full'))).toEqual([]);
});
