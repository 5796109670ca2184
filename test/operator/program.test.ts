import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';

test.each([
  [['cleanup', '--deadline', '90'], '--deadline: "90" is no duration such as 90s'],
  [['cleanup', '--deadline', 'soon'], '--deadline: "soon" is no duration such as 90s'],
  [['sweep'], 'usage: operator run'],
  [[], 'usage: operator run'],
])('%j is refused before anything is asked of the cluster', (words, sentence) => {
  const { status, stderr } = spawnSync(process.execPath, [inProject('src/operator/main.ts'), ...words], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([2, expect.stringContaining(sentence)]);
});
