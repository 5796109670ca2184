import { expect, test } from 'vitest';
import { RECOVERED_MS, Recovery } from '../../../src/mesh/takeover/recovery.ts';

test('a node that has always reached Services has nothing to recover from', () => {
  const recovery = new Recovery();
  recovery.take(true, 1_000);
  expect(recovery.isGoingOn(1_000)).toBe(false);
});

test('one that did not is recovering for a while since it was found to reach them again, however long that took', () => {
  const recovery = new Recovery();
  recovery.take(false, 1_000);
  expect(recovery.isGoingOn(1_000)).toBe(true);
  const again = 1_000_000;
  recovery.take(true, again);
  recovery.take(true, again + 10);
  expect(recovery.isGoingOn(again + RECOVERED_MS - 1)).toBe(true);
  expect(recovery.isGoingOn(again + RECOVERED_MS)).toBe(false);
});
