import { describe, expect, test } from 'vitest';
import {
  parseMarker,
  renderElementChanges,
  renderReplacement,
  renderSeal,
  structureDigest,
  turnedOnChain,
} from '../../../src/dataplane/nftables/render.ts';
import { cidrElement, type Ruleset } from '../../../src/dataplane/nftables/ruleset.ts';
import type { Cidr } from '../../../src/net/cidr.ts';

const RULESET: Ruleset = {
  table: 'mine',
  sets: [
    { name: 'nets', type: ['ipv4_addr'], interval: true, elements: ['10.0.0.0/8', '192.0.2.1'] },
    { name: 'ports', type: ['ipv4_addr', 'inet_service'], interval: false, elements: [] },
  ],
  chains: [
    { name: 'refuse', rules: [{ text: 'drop', comment: 'say "why"' }] },
    {
      name: 'in',
      hook: { type: 'filter', hook: 'input', priority: 'filter - 5' },
      rules: [{ text: 'ip saddr @nets accept' }, { text: 'jump refuse' }],
    },
  ],
};

const withElements = (elements: readonly string[]): Ruleset => ({
  ...RULESET,
  sets: RULESET.sets.map((set) => (set.name === 'nets' ? { ...set, elements } : set)),
});

describe('a ruleset', () => {
  test('is one transaction that replaces the table and carries over what the old one remembered', () => {
    expect(renderReplacement(RULESET, [4])).toBe(`table inet mine
delete table inet mine
table inet mine {
  chain written_${structureDigest(RULESET)} {
  }
  chain turned_on_forwarding_4 {
  }
  set nets {
    type ipv4_addr
    flags interval
    elements = { 10.0.0.0/8, 192.0.2.1 }
  }
  set ports {
    type ipv4_addr . inet_service
  }
  chain refuse {
    drop comment "say \\"why\\""
  }
  chain in {
    type filter hook input priority filter - 5; policy accept;
    ip saddr @nets accept
    jump refuse
  }
}
`);
  });

  test('has a digest that elements do not change and everything else does', () => {
    const [first, ...others] = RULESET.chains;
    expect(structureDigest(withElements(['10.9.0.0/16']))).toBe(structureDigest(RULESET));
    expect(structureDigest({ ...RULESET, chains: others })).not.toBe(structureDigest(RULESET));
    expect(structureDigest({ ...RULESET, sets: [] })).not.toBe(structureDigest(RULESET));
    expect(first).toBeDefined();
  });
});

test('changed elements are one transaction that deletes before it adds', () => {
  const changes = [
    { set: 'nets', added: ['10.0.0.0/9'], removed: ['10.0.0.0/8', '192.0.2.1'] },
    { set: 'ports', added: ['192.0.2.1 . 53'], removed: [] },
  ];
  expect(renderElementChanges('mine', changes)).toBe(`delete element inet mine nets { 10.0.0.0/8, 192.0.2.1 }
add element inet mine nets { 10.0.0.0/9 }
add element inet mine ports { 192.0.2.1 . 53 }
`);
});

test.each([
  ['written_0123456789abcdef', { kind: 'written', value: '0123456789abcdef' }],
  ['seal_0123456789abcdef', { kind: 'seal', value: '0123456789abcdef' }],
  [turnedOnChain(4), { kind: 'turned-on', family: 4 }],
  [turnedOnChain(6), { kind: 'turned-on', family: 6 }],
  ['turned_on_forwarding_5', undefined],
  ['forward', undefined],
])('the chain %s says %o', (chain, marker) => {
  expect(parseMarker(chain)).toEqual(marker);
});

test('a seal is one more chain', () => {
  expect(renderSeal('mine', 'abc')).toBe('add chain inet mine seal_abc\n');
});

test.each([
  ['10.0.0.0/8', '10.0.0.0/8'],
  ['10.0.0.1/32', '10.0.0.1'],
  ['fd00::/64', 'fd00::/64'],
  ['fd00::1/128', 'fd00::1'],
])('%s is the element %s', (cidr, element) => {
  expect(cidrElement(cidr as Cidr)).toBe(element);
});
