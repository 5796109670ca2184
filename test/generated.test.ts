import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { GENERATED_FILES } from '../scripts/generated/files.ts';
import { inProject } from '../scripts/support/paths.ts';

test.each(GENERATED_FILES)('$path is what the source prints', async ({ path, render }) => {
  const committed = await readFile(inProject(path), 'utf8').catch(() => undefined);
  const isFresh = committed === (await render());
  expect(isFresh, `${path} is not what the source prints; write it with: npm run update`).toBe(true);
});
