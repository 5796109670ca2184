import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isLater, timestampAt } from '../../src/usermode/timestamp.ts';
import { hexOf } from './builders.ts';

describe('a TAI64N timestamp', () => {
  it('counts as the other implementations do, in steps of 2^24 ns', () => {
    expect(hexOf(timestampAt(0))).toBe('400000000000000a00000000');
    expect(hexOf(timestampAt(1_000))).toBe('400000000000000b00000000');
    expect(hexOf(timestampAt(16))).toBe('400000000000000a00000000');
    expect(hexOf(timestampAt(17))).toBe('400000000000000a01000000');
  });

  it('is always later than the last one, even when the clock stands still or goes back', () => {
    const times = fc.array(fc.nat({ max: 4_000_000_000_000 }), { minLength: 2, maxLength: 20 });
    fc.assert(
      fc.property(times, (clock) => {
        let last = timestampAt(clock[0] ?? 0);
        for (const time of [...clock, ...clock.slice(-1), ...clock.slice(-1)]) {
          const next = timestampAt(time, last);
          expect(isLater(next, last)).toBe(true);
          expect(isLater(last, next)).toBe(false);
          last = next;
        }
      }),
    );
  });
});
