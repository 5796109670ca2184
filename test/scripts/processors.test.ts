import { expect, test } from 'vitest';
import { listed } from '../lab/processors.ts';

test.each([
  ['0', [0]],
  ['0-3', [0, 1, 2, 3]],
  ['1,4-5,8', [1, 4, 5, 8]],
])('the processors %s', (text, numbers) => {
  expect(listed(text)).toEqual(numbers);
});
