import { describe, expect, test } from 'vitest';
import { systemClock } from '../../src/runtime/clock.ts';

describe('the clock of this machine', () => {
  test('a timer calls once, and not when it was cancelled', async () => {
    const calls: string[] = [];
    systemClock.timer(1, () => calls.push('cancelled'))();
    const began = systemClock.monotonic();
    await new Promise<void>((resolve) => systemClock.timer(15, resolve));
    expect(calls).toEqual([]);
    expect(systemClock.monotonic() - began).toBeGreaterThan(13);
  });

  test('a wait of months does not fire at once', async () => {
    const cancel = systemClock.timer(2 ** 40, () => expect.unreachable());
    await new Promise<void>((resolve) => systemClock.timer(15, resolve));
    cancel();
  });

  test('now is the time of day', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(1000);
  });
});
