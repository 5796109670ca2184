import { expect, test } from 'vitest';
import type { ObjectKey } from '../../src/api/resource.ts';
import { Admitted } from '../../src/operator/admitted.ts';
import { aCondition, aMember } from '../support/builders.ts';

const ADA = 'team-a/ada' as ObjectKey;

test('a peer counts for the gateways of its status, for as long as they let it in', () => {
  const admitted = new Admitted();
  const countsFor = (...gateways: readonly string[]) => gateways.filter((gateway) => admitted.by(gateway).has(ADA));
  admitted.set(ADA, aMember({ status: { gateways: ['one', 'two'] } }));
  expect(countsFor('one', 'two', 'three')).toEqual(['one', 'two']);
  admitted.set(ADA, aMember({ status: { gateways: ['two', 'three'] } }));
  expect(countsFor('one', 'two', 'three')).toEqual(['two', 'three']);
  admitted.set(ADA, aMember({ status: { gateways: ['two'], conditions: [aCondition('Accepted', 'False')] } }));
  expect(countsFor('one', 'two', 'three')).toEqual([]);
  admitted.set(ADA, aMember());
  admitted.set(ADA, undefined);
  expect(countsFor('default')).toEqual([]);
});
