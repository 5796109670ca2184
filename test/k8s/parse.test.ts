import { describe, expect, test } from 'vitest';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import { parseObject } from '../../src/k8s/parse.ts';
import { membershipOf } from '../../src/mesh/members.ts';
import { aKey } from '../support/builders.ts';

describe('who wrote a peer last', () => {
  const entry = (manager: string, time: string, more: object = {}) => ({ manager, operation: 'Update', time, ...more });
  const by = (managedFields?: readonly unknown[]) => {
    const metadata = { name: 'ada', namespace: 'team-a', ...(managedFields === undefined ? {} : { managedFields }) };
    return membershipOf(parseObject(meshPeerType, { metadata, spec: { publicKey: aKey('ada') } })).metadata.writtenBy;
  };

  test.each([
    ['nobody, where nothing is known', undefined, undefined],
    ['nobody, where it cannot be read', [1, {}, { manager: 7 }], undefined],
    ['the one with the latest time', [entry('b', '2026-01-02T00:00:00Z'), entry('a', '2026-01-01T00:00:00Z')], 'b'],
    ['the later entry of one second', [entry('a', '2026-01-01T00:00:00Z'), entry('b', '2026-01-01T00:00:00Z')], 'b'],
    [
      'no one who wrote its status',
      [entry('a', '2026-01-01T00:00:00Z'), entry('operator', '2026-01-02T00:00:00Z', { subresource: 'status' })],
      'a',
    ],
  ])('is %s', (_who, managedFields, wanted) => {
    expect(by(managedFields)).toBe(wanted);
  });
});
