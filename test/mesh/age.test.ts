import { describe, expect, test } from 'vitest';
import { olderFirst, oldest } from '../../src/mesh/age.ts';
import { aPeer } from '../support/builders.ts';

const first = aPeer({ name: 'z', created: '2026-01-01T00:00:00Z' });
const second = aPeer({ name: 'a', created: '2026-01-01T00:00:01Z' });
const twin = aPeer({ name: 'zz', created: '2026-01-01T00:00:00Z' });
const elsewhere = aPeer({ name: 'a', namespace: 'team-b', created: '2026-01-01T00:00:00Z' });

describe('age', () => {
  test('orders by creation, then by namespace and name', () => {
    expect([elsewhere, second, twin, first].sort(olderFirst)).toEqual([first, twin, elsewhere, second]);
  });

  test('an object is as old as itself', () => {
    expect(olderFirst(first, first)).toBe(0);
  });

  test('the oldest of some, and of none', () => {
    expect(oldest([second, twin, first])).toBe(first);
    expect(oldest([])).toBeUndefined();
  });
});
