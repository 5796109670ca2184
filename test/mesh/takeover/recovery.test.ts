import { expect, test } from 'vitest';
import { RECOVERED_MS, Recovery } from '../../../src/mesh/takeover/recovery.ts';

test('a node that has always reached Services has nothing to recover from', () => {
  const recovery = new Recovery();
  recovery.resume(false);
  recovery.take(undefined, 500);
  recovery.take(true, 1_000);
  expect(recovery.isRecovering(1_000)).toBe(false);
});

test.each<[string, (recovery: Recovery) => void]>([
  ['one that did not', (recovery) => recovery.take(false, 1_000)],
  ['one whose former agent has said so', (recovery) => recovery.resume(true)],
])('%s is recovering until a while after it was found to reach them, however long that took', (_, begins) => {
  const recovery = new Recovery();
  begins(recovery);
  expect(recovery.isRecovering(1_000)).toBe(true);
  const again = 1_000_000;
  recovery.take(undefined, again - 1);
  expect(recovery.isRecovering(again - 1)).toBe(true);
  recovery.take(true, again);
  recovery.take(true, again + 10);
  expect(recovery.isRecovering(again + RECOVERED_MS - 1)).toBe(true);
  expect(recovery.isRecovering(again + RECOVERED_MS)).toBe(false);
});
