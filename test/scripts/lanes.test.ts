import { expect, test } from 'vitest';
import { sideBySide } from '../../scripts/support/lanes.ts';

const SECONDS = {
  'test/lab/a.test.ts': 100,
  'test/lab/b.test.ts': 50,
  'test/kernel/c.test.ts': 90,
  'test/netns/d.test.ts': 20,
};

test('clusters and what computes begin side by side, the longest first, and each lane goes on when its file ends', () => {
  expect(sideBySide(Object.keys(SECONDS).toSorted(), SECONDS)).toEqual([
    'test/lab/a.test.ts',
    'test/kernel/c.test.ts',
    'test/netns/d.test.ts',
    'test/lab/b.test.ts',
  ]);
});

test('no file is lost, known or not', () => {
  const files = ['test/lab/new.test.ts', 'test/netns/host.test.ts', 'test/lab/uninstall.test.ts'];
  expect(sideBySide(files).toSorted()).toEqual(files.toSorted());
});
