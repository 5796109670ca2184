import { describe, expect, test } from 'vitest';
import { duration, lastLine, type RingResult, skippedRing, table } from '../../scripts/support/tally.ts';

const everyday: RingResult = { ring: 'everyday', passed: 12, failed: 1, skipped: 2, seconds: 3.25, failures: ['a'] };

describe('the end of a test run', () => {
  test('the last line sums all rings', () => {
    expect(lastLine([everyday, { ...everyday, passed: 3 }])).toBe('15 passed, 2 failed, 4 skipped');
    expect(lastLine([])).toBe('0 passed, 0 failed, 0 skipped');
  });

  test('a ring that cannot run counts as skipped on a desk and as failed where every ring is required', () => {
    expect(skippedRing('lab', 'no Go', false)).toMatchObject({ failed: 0, skipped: 1, failures: [] });
    expect(skippedRing('lab', 'no Go', true)).toMatchObject({ failed: 1, skipped: 0 });
    expect(skippedRing('lab', 'no Go', true).failures).toHaveLength(1);
  });

  test('the table has one aligned line per ring and names the skipped', () => {
    expect(table([everyday, skippedRing('lab', 'no Go', false)]).split('\n')).toEqual([
      'ring      passed  failed  skipped  seconds',
      'everyday      12       1        2      3.3',
      'lab            0       0        1      0.0  SKIPPED',
    ]);
  });

  test('a duration is said in minutes once it has one', () => {
    expect([59_400, 60_000, 843_200].map(duration)).toEqual(['59 s', '1 min 0 s', '14 min 3 s']);
  });
});
