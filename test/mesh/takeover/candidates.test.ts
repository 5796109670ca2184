import { expect, test } from 'vitest';
import { type Candidate, takersFrom } from '../../../src/mesh/takeover/candidates.ts';

const node = (name: string, other: Partial<Candidate> = {}): Candidate => ({
  node: name,
  trust: 'steady',
  isProgrammed: true,
  reachesServices: true,
  isLeaving: false,
  ...other,
});
const steady = node('steady');
const returned = node('returned', { trust: 'living' });
const unwell = node('unwell', { reachesServices: false });
const leaving = node('leaving', { isLeaving: true });
const dead = node('dead', { trust: 'none' });
const empty = node('empty', { isProgrammed: false });

test.each<[string, readonly Candidate[], readonly string[], readonly string[]]>([
  ['the steady ones, where there are any', [dead, returned, steady, unwell, leaving], ['steady'], ['steady']],
  ['else whoever lives and serves', [dead, returned, unwell, leaving], ['returned'], ['returned']],
  ['else, from a dead one alone, whoever lives', [unwell, leaving, dead, empty], ['unwell', 'leaving'], []],
  ['nobody, where none lives and holds what it should', [dead, empty], [], []],
])('devices are taken over by %s', (_, nodes, fromDead, fromLiving) => {
  expect(takersFrom('dead', nodes)).toEqual(fromDead);
  expect(takersFrom('living', nodes)).toEqual(fromLiving);
});
