import { expect, test } from 'vitest';
import { Unaccounted } from '../../../src/mesh/audit/left-out.ts';

test('nobody knows what was told before the first look', () => {
  const unaccounted = new Unaccounted();
  expect(unaccounted.isNew(100)).toBe(true);
  expect(unaccounted.take(100, 3)).toBe(0);
  expect(unaccounted.isNew(100)).toBe(false);
});

test('a chain that had counted nothing at the first look tells all that comes', () => {
  const unaccounted = new Unaccounted();
  expect(unaccounted.isNew(0)).toBe(false);
  expect(unaccounted.isNew(100)).toBe(true);
  expect(unaccounted.take(100, 3)).toBe(97);
});

test('what the chain counted and no set noted is left out, once', () => {
  const unaccounted = new Unaccounted();
  unaccounted.take(100, 100);
  expect(unaccounted.take(150, 40)).toBe(10);
  expect(unaccounted.take(160, 10)).toBe(0);
});

test('what was noted between the two readings is made up for', () => {
  const unaccounted = new Unaccounted();
  unaccounted.take(100, 100);
  expect(unaccounted.take(110, 12)).toBe(0);
  expect(unaccounted.take(115, 3)).toBe(0);
});

test('what was noted between the two readings of the first look is made up for too', () => {
  const unaccounted = new Unaccounted();
  expect(unaccounted.take(100, 103)).toBe(0);
  expect(unaccounted.take(110, 7)).toBe(0);
});

test('a table that was made anew counts from nothing', () => {
  const unaccounted = new Unaccounted();
  unaccounted.take(100, 100);
  expect(unaccounted.isNew(5)).toBe(true);
  expect(unaccounted.take(5, 4)).toBe(1);
});
