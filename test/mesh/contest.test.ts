import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AT_ONCE, Contention, contestText, WAITS_MS, WINDOW_MS } from '../../src/mesh/contest.ts';

/** Something is mended so often, a second apart each; the last time is answered. */
function mendedOften(contention: Contention, times: number, by?: string): number {
  for (let index = 0; index < times; index += 1) contention.mended(`step ${index}`, by, index * 1_000);
  return (times - 1) * 1_000;
}

describe('what somebody undoes', () => {
  test('is mended at once while that happens now and then', () => {
    const contention = new Contention();
    const now = mendedOften(contention, AT_ONCE);
    expect([contention.waitMs(now), contention.contest(now)]).toEqual([0, undefined]);
  });

  test('again and again is contested, which is said once; and waits longer with each time', () => {
    const contention = new Contention();
    let now = mendedOften(contention, AT_ONCE, 'firewalld') + 1_000;
    expect(contention.mended('replace table', 'firewalld', now)).toBe(true);
    for (const wait of WAITS_MS) {
      expect(contention.waitMs(now)).toBe(wait);
      expect(contention.contest(now)).toMatchObject({ by: 'firewalld', everyMs: wait });
      now += wait;
      expect(contention.waitMs(now)).toBe(0);
      expect(contention.mended('replace table', 'firewalld', now)).toBe(false);
    }
    expect(contention.waitMs(now)).toBe(WAITS_MS.at(-1));
  });

  test('is mended at once again when nobody has undone anything for a while', () => {
    const contention = new Contention();
    const now = mendedOften(contention, AT_ONCE + 1) + WAITS_MS[0] + WINDOW_MS;
    expect([contention.waitMs(now - 1), contention.contest(now - 1)?.everyMs]).toEqual([0, WAITS_MS[0]]);
    expect(contention.contest(now)).toBeUndefined();
    expect(contention.mended('step', undefined, now)).toBe(false);
    expect(contention.waitMs(now)).toBe(0);
  });

  test('is never mended more often than so many times at once, and then once in the longest wait', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 90_000 }), { maxLength: 200 }), (pauses) => {
        const contention = new Contention();
        const repairs: number[] = [];
        let now = 0;
        for (const pause of pauses) {
          now += pause;
          if (contention.waitMs(now) > 0) continue;
          contention.mended('step', undefined, now);
          repairs.push(now);
        }
        for (const [index, at] of repairs.entries()) {
          const inWindow = repairs.slice(0, index + 1).filter((one) => one > at - WINDOW_MS).length;
          expect(inWindow).toBeLessThanOrEqual(AT_ONCE + WAITS_MS.length);
        }
      }),
    );
  });
});

test.each([
  ['firewalld', 'The kernel names the program firewalld. '],
  [undefined, 'The kernel does not say which program does it; '],
])('a contest in words, by %s', (by, who) => {
  const text = contestText({ mended: 'replace table', by, everyMs: 5_000 }, 'the interface wg-default');
  expect(text).toContain('mended last: replace table.');
  expect(text).toContain(who);
  expect(text).toMatch(/every 5 s from now on.*leave alone the interface wg-default\.$/);
});
