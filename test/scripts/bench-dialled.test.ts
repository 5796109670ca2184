import { expect, test } from 'vitest';
import { type Attempt, dialledBetween } from '../bench/laptop/dialled.ts';

const answered = (began: number): Attempt => ({ began, answered: true });
const failed = (began: number): Attempt => ({ began, answered: false });

test('what was begun in a while is counted, and what of it had no answer', () => {
  const attempts = [failed(0), answered(20), failed(40), answered(60), answered(80), failed(100)];
  expect(dialledBetween(attempts, 20, 80)).toEqual({ begun: 3, failed: 1 });
});

test('nothing is counted before each of them has ended, and one that was begun after them', () => {
  expect(dialledBetween([answered(0), undefined, answered(40)], 0, 40)).toBeUndefined();
  expect(dialledBetween([answered(0), answered(20)], 0, 40)).toBeUndefined();
  expect(dialledBetween([answered(0), failed(20), answered(40), undefined], 0, 40)).toEqual({ begun: 2, failed: 1 });
  expect(dialledBetween([], 0, 40)).toBeUndefined();
});

test('the list may have gaps where numbers have not ended yet', () => {
  const attempts: (Attempt | undefined)[] = [];
  attempts[2] = answered(40);
  expect(dialledBetween(attempts, 0, 40)).toBeUndefined();
});
