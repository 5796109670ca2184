import { describe, expect, test } from 'vitest';
import { keyOf, type ObjectKey } from '../../src/api/resource.ts';
import { Awaiting } from '../../src/operator/awaiting.ts';
import { aCondition, aMember, aReport } from '../support/builders.ts';

const ADA = 'team-a/ada' as ObjectKey;

function reportUpTo(version: string | undefined, gateway = 'default') {
  return aReport({ gateway, status: { appliedResourceVersion: version } }).report;
}

function passed(awaiting: Awaiting, from: string | undefined, to: string, gateway?: string) {
  const after = reportUpTo(to, gateway);
  return awaiting.passedBy({ key: keyOf(after.metadata), before: reportUpTo(from, gateway), after });
}

describe('a peer that waits for nodes', () => {
  const awaiting = new Awaiting();
  awaiting.set(ADA, aMember({ name: 'ada', metadata: { resourceVersion: '150' } }), undefined);

  test.each([
    ['goes past its version', '149', '150', [ADA]],
    ['goes far past its version', undefined, '9000', [ADA]],
    ['has not come that far', '100', '149', []],
    ['went past it before', '150', '200', []],
  ])('hears of a report of a node that %s', (_which, from, to, heard) => {
    expect(passed(awaiting, from, to)).toEqual(heard);
  });

  test("hears of its own gateways' nodes only", () => {
    expect(passed(awaiting, '1', '200', 'other')).toEqual([]);
  });

  test('waits for the version with which it got what it has, where that is known', () => {
    const known = new Awaiting();
    known.set(ADA, aMember({ name: 'ada', metadata: { resourceVersion: '150' } }), 120n);
    expect(passed(known, '100', '120')).toEqual([ADA]);
  });
});

test.each([
  ['is programmed', aMember({ status: { conditions: [aCondition('Programmed', 'True')] } })],
  ['is let in by nobody', aMember({ status: { gateways: [] } })],
  ['is gone', undefined],
])('a peer that %s waits for nobody', (_what, peer) => {
  const awaiting = new Awaiting();
  awaiting.set(ADA, aMember(), undefined);
  awaiting.set(ADA, peer, undefined);
  expect(passed(awaiting, '1', '9000')).toEqual([]);
});
