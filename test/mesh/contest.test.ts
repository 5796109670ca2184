import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AT_ONCE, Contention, contestText, EVERY_MS, WINDOW_MS } from '../../src/mesh/contest.ts';

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

  test('again and again is contested, which is said once; and waits a second after the repair before', () => {
    const contention = new Contention();
    let now = mendedOften(contention, AT_ONCE, 'firewalld');
    const contests = Array.from({ length: 20 }, () => {
      now += EVERY_MS;
      const isSaid = contention.mended('replace table', 'firewalld', now);
      expect(contention.contest(now)).toEqual({ mended: 'replace table', by: 'firewalld' });
      expect([0, EVERY_MS - 1, EVERY_MS].map((later) => contention.waitMs(now + later))).toEqual([EVERY_MS, 1, 0]);
      return isSaid;
    });
    expect(contests).toEqual([true, ...Array.from({ length: 19 }, () => false)]);
  });

  test('is mended at once again when nobody has undone anything for a minute', () => {
    const contention = new Contention();
    const now = mendedOften(contention, AT_ONCE + 1) + WINDOW_MS;
    expect([contention.contest(now - 1), contention.contest(now)]).toEqual([
      { mended: `step ${AT_ONCE}`, by: undefined },
      undefined,
    ]);
    expect([contention.mended('step', undefined, now), contention.waitMs(now)]).toEqual([false, 0]);
  });

  test('is mended so often at once in a minute, and once a second beyond that', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 30_000 }), { maxLength: 200 }), (pauses) => {
        const contention = new Contention();
        const repairs: number[] = [];
        let now = 0;
        for (const pause of pauses) {
          now += pause;
          if (contention.waitMs(now) > 0) continue;
          contention.mended('step', undefined, now);
          repairs.push(now);
        }
        // Whoever is the eleventh within a minute has the next one wait.
        const contested = repairs.slice(AT_ONCE).flatMap((at, index) => {
          const next = repairs[index + AT_ONCE + 1];
          return next !== undefined && at < (repairs[index] as number) + WINDOW_MS ? [next - at] : [];
        });
        for (const pause of contested) expect(pause).toBeGreaterThanOrEqual(EVERY_MS);
      }),
    );
  });
});

test.each([
  ['firewalld', 'The kernel names the program firewalld. '],
  [undefined, 'The kernel does not say which program does it; '],
])('a contest in words, by %s', (by, who) => {
  const text = contestText({ mended: 'replace table', by }, 'the interface wg-default');
  expect(text).toContain('mended last: replace table.');
  expect(text).toContain(who);
  expect(text).toMatch(/every second from now on.*leave alone the interface wg-default\.$/);
});
