import { expect, test } from 'vitest';
import { sideBySide } from '../../scripts/support/lanes.ts';

const SECONDS = {
  'test/lab/a.test.ts': 100,
  'test/lab/b.test.ts': 60,
  'test/lab/c.test.ts': 50,
  'test/kernel/d.test.ts': 70,
  'test/netns/e.test.ts': 20,
};

test('two clusters and what computes begin side by side, the longest first, and each goes on when its file ends', () => {
  expect(sideBySide(Object.keys(SECONDS).toReversed(), SECONDS, 2)).toEqual([
    'test/lab/a.test.ts',
    'test/lab/b.test.ts',
    'test/kernel/d.test.ts',
    'test/lab/c.test.ts',
    'test/netns/e.test.ts',
  ]);
});

test('a file with two clusters runs beside others alone', () => {
  const seconds = { ...SECONDS, 'test/lab/join.test.ts': 110, 'test/netns/f.test.ts': 10 };
  expect(sideBySide(Object.keys(seconds), seconds, 2)).toEqual([
    'test/lab/join.test.ts',
    'test/kernel/d.test.ts',
    'test/netns/e.test.ts',
    'test/netns/f.test.ts',
    'test/lab/a.test.ts',
    'test/lab/b.test.ts',
    'test/lab/c.test.ts',
  ]);
});

test('no file is lost, known or not', () => {
  const files = ['test/lab/new.test.ts', 'test/netns/host.test.ts', 'test/lab/uninstall.test.ts'];
  expect(sideBySide(files).toSorted()).toEqual(files.toSorted());
});
