import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../../scripts/support/paths.ts';

test.each([
  ['an option that there is not', ['--rong'], "Unknown option '--rong'"],
  ['a ring that there is not', ['--ring', 'nets'], 'There is no ring "nets"; there are: check, everyday,'],
])('%s is refused in a sentence, with how the program is called', (_, words, problem) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/test.ts'), ...words], {
    encoding: 'utf8',
  });
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(new RegExp(`^${problem}`));
  expect(stderr).toContain('\n\nnpm test -- [--list] [--ring NAME]...');
  expect(stderr).not.toContain('    at ');
});
