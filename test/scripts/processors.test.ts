import { expect, test } from 'vitest';
import { leastTaken, listed } from '../lab/processors.ts';

test.each([
  ['0', [0]],
  ['0-3', [0, 1, 2, 3]],
  ['1,4-5,8', [1, 4, 5, 8]],
])('the processors %s', (text, numbers) => {
  expect(listed(text)).toEqual(numbers);
});

test.each([
  [[0, 1], [], 0],
  [[0, 1], [0], 1],
  [[0, 1], [1, 0, 1], 0],
  [[2, 5], [0, 0, 2], 5],
])('of the processors %j, with guests on %j, the next takes %i', (allowed, taken, next) => {
  expect(leastTaken(allowed, taken)).toBe(next);
});
