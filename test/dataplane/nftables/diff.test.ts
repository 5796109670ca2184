import { describe, expect, test } from 'vitest';
import { remainingChanges, rulesetDifference } from '../../../src/dataplane/nftables/diff.ts';
import { structureDigest } from '../../../src/dataplane/nftables/render.ts';
import type { ObservedRuleset, Ruleset } from '../../../src/dataplane/nftables/ruleset.ts';

const WANTED: Ruleset = {
  table: 'mine',
  sets: [{ name: 'nets', type: ['ipv4_addr'], interval: true, elements: ['10.0.0.0/8', '192.0.2.1'] }],
  chains: [{ name: 'in', rules: [{ text: 'accept' }] }],
};

const OBSERVED: ObservedRuleset = {
  table: 'mine',
  written: structureDigest(WANTED),
  intact: true,
  elements: new Map([['nets', ['192.0.2.1', '10.0.0.0/8']]]),
  turnedOn: [],
};

const having = (...elements: readonly string[]) => ({ ...OBSERVED, elements: new Map([['nets', elements]]) });

describe('from a table to the wanted one', () => {
  test.each<[string, ObservedRuleset | undefined, string]>([
    ['the same, elements in another order', OBSERVED, 'none'],
    ['none at all', undefined, 'structure'],
    ['one that was changed by hand', { ...OBSERVED, intact: false }, 'structure'],
    ['one that was made from something else', { ...OBSERVED, written: '1' }, 'structure'],
    ["somebody else's", { ...OBSERVED, written: undefined }, 'structure'],
    ['one with other elements', having('10.0.0.0/8'), 'elements'],
  ])('%s: %3$s', (_what, observed, kind) => {
    expect(rulesetDifference(WANTED, observed).kind).toBe(kind);
  });

  test('only the elements that differ are named', () => {
    expect(rulesetDifference(WANTED, having('10.0.0.0/8', '198.51.100.0/24'))).toEqual({
      kind: 'elements',
      changes: [{ set: 'nets', added: ['192.0.2.1'], removed: ['198.51.100.0/24'] }],
    });
  });
});

test('what has happened already is left out of a change', () => {
  const changes = [{ set: 'nets', added: ['10.0.0.0/8', '10.0.0.1'], removed: ['192.0.2.1', '192.0.2.2'] }];
  expect(remainingChanges(changes, OBSERVED)).toEqual([{ set: 'nets', added: ['10.0.0.1'], removed: ['192.0.2.1'] }]);
  expect(remainingChanges([{ set: 'nets', added: ['10.0.0.0/8'], removed: ['192.0.2.2'] }], OBSERVED)).toEqual([]);
});
