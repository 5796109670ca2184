import { existsSync, globSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { CLAIMS, claimOf } from '../../scripts/support/claims.ts';
import { inProject } from '../../scripts/support/paths.ts';
import { proven, skipped, slowest } from '../../scripts/support/proven.ts';
import type { FileReport, TestReport } from '../../scripts/support/ring-report.ts';
import { type RingResult, skippedRing } from '../../scripts/support/tally.ts';

function aFile(path: string, tests: TestReport[], over: Partial<FileReport> = {}): FileReport {
  return {
    path,
    ring: 'netns',
    failed: tests.some(({ state }) => state === 'failed'),
    errors: [],
    seconds: 1.5,
    titles: ['a node'],
    tests,
    ...over,
  };
}

function aRing(files: readonly FileReport[]): RingResult {
  return { ring: 'netns', says: 'packets', passed: 0, failed: 0, skipped: 0, seconds: 3, failures: [], files };
}

const passed: TestReport = { name: 'works', state: 'passed' };
const failed: TestReport = { name: 'breaks', state: 'failed' };

describe('what was proven', () => {
  test('the files of one claim are one line, with the tests that passed and the time of all', () => {
    const files = [aFile('test/mesh/age.test.ts', [passed, passed]), aFile('test/mesh/node.test.ts', [passed])];
    expect(proven([aRing(files)])).toBe(`What was proven:\n\nnetns: packets\n  ${CLAIMS['test/mesh']}  3/3  3.0 s`);
  });

  test('a claim with a failure, within a test or outside of all, says so before anything else', () => {
    const files = [aFile('test/mesh/age.test.ts', [passed, failed]), aFile('test/new/x.test.ts', [], { failed: true })];
    expect(proven([aRing(files)])).toContain(`  BROKEN  ${CLAIMS['test/mesh']}`);
    expect(proven([aRing(files)])).toContain('  BROKEN  a node');
  });

  test('a claim that no test held up is not proven', () => {
    const files = [aFile('test/mesh/age.test.ts', [{ name: 'later', state: 'pending' }])];
    expect(proven([aRing(files)])).toContain(`  NOT RUN  ${CLAIMS['test/mesh']}`);
  });

  test('a ring that did not run proved nothing, and its reason is told', () => {
    expect(proven([skippedRing('lab', 'no Go', false)])).toContain('lab\n  NOTHING, it did not run: no Go');
  });
});

describe('what else is told', () => {
  test('the slowest files first, and only slow ones', () => {
    const files = [20, 90, 1].map((seconds) => aFile(`test/lab/${seconds}.test.ts`, [passed], { seconds }));
    expect(slowest([aRing(files)]).split('\n')).toEqual([
      'Slowest:',
      '  test/lab/90.test.ts  90.0 s',
      '  test/lab/20.test.ts  20.0 s',
    ]);
    expect(slowest([aRing([aFile('a', [passed])])])).toBe('');
  });

  test('every ring and test that did not run, with its reason', () => {
    const why = 'helm is missing';
    const files = [aFile('test/a.test.ts', [passed, { name: 'renders', state: 'skipped', why }])];
    expect(skipped([aRing(files), skippedRing('lab', 'no Go', false)]).split('\n')).toEqual([
      'Skipped:',
      '  test/a.test.ts: renders: helm is missing',
      '  ring lab: no Go',
    ]);
    expect(skipped([aRing([aFile('a', [passed])])])).toBe('');
  });

  test('of a file that was skipped as a whole a few tests are named', () => {
    const tests = Array.from({ length: 40 }, (_, at): TestReport => ({ name: `${at}`, state: 'skipped' }));
    const lines = skipped([aRing([aFile('test/a.test.ts', tests)])]).split('\n');
    expect(lines).toHaveLength(7);
    expect(lines.at(-1)).toBe('  test/a.test.ts: and 35 more');
  });
});

describe('the claims', () => {
  test('speak of files and folders that exist', () => {
    expect(Object.keys(CLAIMS).filter((key) => !existsSync(inProject(key)))).toEqual([]);
  });

  test('are made of every file that needs a network, a kernel or a cluster', () => {
    const files = globSync('test/{netns,kernel,lab,faults}/**/*.test.ts', { cwd: inProject('.') });
    expect(files.length).toBeGreaterThan(60);
    expect(files.filter((path) => claimOf(path, []).text === '')).toEqual([]);
  });

  test('a file without one speaks through its titles', () => {
    expect(claimOf('test/lab/new.test.ts', ['a node', 'a laptop']).text).toBe('a node; a laptop');
  });
});
