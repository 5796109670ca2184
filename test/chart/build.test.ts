import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildProgram, PROGRAMS } from '../../scripts/build.ts';
import { NODE } from '../../scripts/support/paths.ts';

/** A program with a dependency that is CommonJS and asks for a module of Node by require(), which an ES module does not have. */
const DEPENDENCY = "module.exports = require('node:path').join('a', 'b');\n";
const SOURCE = "import joined from '../dependency.cjs';\nconsole.log(joined);\n";

describe('a bundle', () => {
  let root: string;
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sallyport-bundle-'));
    for (const { entry } of Object.values(PROGRAMS)) {
      await mkdir(dirname(join(root, entry)), { recursive: true });
      await writeFile(join(root, entry), SOURCE);
    }
    await writeFile(join(root, 'src/dependency.cjs'), DEPENDENCY);
    await writeFile(join(root, 'package.json'), '{"version": "1.2.3"}');
  });
  afterAll(() => rm(root, { recursive: true, force: true }));

  test('runs alone, with what it depends on', async () => {
    const { file, bytes } = await buildProgram('operator', join(root, 'dist'), root);
    expect(bytes).toBe((await stat(file)).size);
    expect((await promisify(execFile)(NODE, [file])).stdout).toBe('a/b\n');
  });

  test('of the command line is a command', async () => {
    const { file } = await buildProgram('cli', join(root, 'dist'), root);
    expect((await stat(file)).mode & 0o111).toBe(0o111);
    expect((await promisify(execFile)(file, { env: { PATH: dirname(NODE) } })).stdout).toBe('a/b\n');
  });
});
