import { describe, expect, test } from 'vitest';
import {
  countsOf,
  countsOfEach,
  type FileReport,
  failuresOf,
  type TestReport,
} from '../../scripts/support/ring-report.ts';

describe('counts of a report', () => {
  const file = (failed: boolean, tests: readonly TestReport['state'][]): FileReport => ({
    path: 'test/a.test.ts',
    ring: 'netns',
    failed,
    errors: [],
    seconds: 1,
    titles: [],
    tests: tests.map((state, at) => ({ name: `test ${at}`, state })),
  });
  const report = (...files: FileReport[]) => ({ files, unhandled: [] });

  test('passed, failed and skipped tests are told apart, one that was not reached counts as skipped', () => {
    expect(countsOf(report(file(true, ['passed', 'failed', 'skipped', 'pending'])), 1)).toMatchObject({
      passed: 1,
      failed: 1,
      skipped: 2,
      failures: ['test/a.test.ts: test 1'],
    });
  });

  test('a file that does not load is a failure', () => {
    expect(countsOf(report(file(true, [])), 1).failed).toBe(1);
  });

  test('an error outside every test is a failure', () => {
    expect(countsOf(report(file(false, ['passed'])), 1)).toMatchObject({ passed: 1, failed: 1 });
  });

  test('a run that wrote no report is a failure, even with exit status 0', () => {
    expect(countsOf(undefined, 0).failed).toBe(1);
  });

  test('rings that ran side by side have each their own files, and the first what failed outside the tests', () => {
    const both = report(file(false, ['passed', 'passed']), { ...file(false, ['passed']), ring: 'lab' });
    expect(countsOfEach(['netns', 'lab'], both, 0)).toMatchObject([{ passed: 2 }, { passed: 1 }]);
    expect(countsOfEach(['netns', 'lab'], both, 1)).toMatchObject([{ failed: 1 }, { failed: 0 }]);
    const broken = report(file(false, ['passed']), { ...file(true, ['failed']), ring: 'lab' });
    expect(countsOfEach(['netns', 'lab'], broken, 1)).toMatchObject([{ failed: 0 }, { failed: 1 }]);
    expect(countsOfEach(['netns', 'lab'], undefined, 1)).toMatchObject([{ failed: 1 }, { failed: 1 }]);
  });

  test('a failure is told with its reason, also one of a hook, beside which no test has failed', () => {
    const hook = { ...file(true, ['skipped']), errors: ['Error: no port'] };
    expect(failuresOf(hook)).toEqual(['test/a.test.ts: outside its tests: Error: no port']);
    const broken: FileReport = { ...file(true, []), tests: [{ name: 'adds', state: 'failed', why: 'Error: 3' }] };
    expect(failuresOf(broken)).toEqual(['test/a.test.ts: adds: Error: 3']);
  });
});
