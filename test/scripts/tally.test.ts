import { describe, expect, test } from 'vitest';
import { lastLine, type RingResult, skippedRing, table } from '../../scripts/support/tally.ts';
import { countsOf } from '../../scripts/support/vitest-report.ts';

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
});

describe('counts of a vitest report', () => {
  const file = (status: string, tests: readonly string[]) => ({
    name: 'a.test.ts',
    status,
    assertionResults: tests.map((result, at) => ({ fullName: `test ${at}`, status: result })),
  });
  const report = (...testResults: readonly object[]) => JSON.stringify({ success: true, testResults });

  test('passed, failed and skipped tests are told apart, todo counts as skipped', () => {
    expect(countsOf(report(file('failed', ['passed', 'failed', 'skipped', 'todo'])), 1)).toEqual({
      passed: 1,
      failed: 1,
      skipped: 2,
      failures: ['a.test.ts: test 1'],
    });
  });

  test('a file that does not load is a failure', () => {
    expect(countsOf(report(file('failed', [])), 1).failed).toBe(1);
  });

  test('an error outside every test is a failure', () => {
    expect(countsOf(report(file('passed', ['passed'])), 1)).toMatchObject({ passed: 1, failed: 1 });
  });

  test('a run that wrote no report is a failure, even with exit status 0', () => {
    expect(countsOf(undefined, 0).failed).toBe(1);
  });
});
