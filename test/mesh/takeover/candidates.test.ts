import { expect, test } from 'vitest';
import type { Condition } from '../../../src/api/conditions.ts';
import { type Candidate, candidateOf, takersFrom } from '../../../src/mesh/takeover/candidates.ts';
import { aCondition, aKey, aReport } from '../../support/builders.ts';

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

const well = [
  aCondition('InterfaceUp', 'True'),
  aCondition('Programmed', 'True'),
  aCondition('ServicesReachable', 'True'),
];
const contested: Condition = { ...aCondition('Programmed', 'False'), reason: 'Contested' };
const instead = (condition: Condition) => [...well.filter(({ type }) => type !== condition.type), condition];

test.each<[string, Condition[], Partial<Candidate>]>([
  ['holds all that it should and reaches Services', well, {}],
  ['reaches no Services', instead(aCondition('ServicesReachable', 'False')), { reachesServices: false }],
  [
    'does not know whether it reaches Services',
    instead(aCondition('ServicesReachable', 'Unknown')),
    { reachesServices: false },
  ],
  ['lacks something', instead(aCondition('Programmed', 'False')), { isProgrammed: false }],
  ['has no interface', instead(aCondition('InterfaceUp', 'False')), { isProgrammed: false }],
  ['has what it makes undone again and again', instead(contested), { trust: 'living' }],
])('a node that %s is taken for what it says', (_, conditions, other) => {
  const { report } = aReport({ node: 'told', status: { conditions } });
  expect(candidateOf(report, { trust: 'steady', isLeaving: false })).toEqual(node('told', other));
});

test('a node that recovers is trusted less than it was, and never more', () => {
  const liveness = { publicKey: aKey('asker'), addresses: [], unreachable: [], answered: 0, recovering: true };
  const { report } = aReport({ status: { conditions: well, liveness } });
  const trusted = (trust: Candidate['trust']) => candidateOf(report, { trust, isLeaving: true });
  expect(trusted('steady')).toMatchObject({ trust: 'living', isLeaving: true });
  expect(trusted('living').trust).toBe('living');
  expect(trusted('none').trust).toBe('none');
});
