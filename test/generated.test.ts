import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { GENERATED_FILES } from '../scripts/generated/files.ts';
import { inProject } from '../scripts/support/paths.ts';

test.for(GENERATED_FILES)('$path is what the source prints', async ({ path, render }, { skip }) => {
  const text = await render();
  if (text === undefined) return skip('a program to print it is missing here');
  const committed = await readFile(inProject(path), 'utf8').catch(() => undefined);
  expect(committed === text, `${path} is not what the source prints; write it with: npm run update`).toBe(true);
});
