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

/** Two packages to import: one only passes on what it brings itself, of the other nothing is used. */
const PACKAGES: Readonly<Record<string, string>> = {
  '@some/used': "export { inner } from 'inner';",
  '@some/used/node_modules/inner': 'export const inner = String(process.argv.length);',
  unused: 'export const unused = 1;',
};
const USES = "import { inner } from '@some/used';\nimport { unused } from 'unused';\nconsole.log(inner);\n";

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

  test('names the packages whose code it has, wherever they are, and no other', async () => {
    for (const [name, source] of Object.entries(PACKAGES)) {
      const folder = join(root, 'node_modules', name);
      await mkdir(folder, { recursive: true });
      await writeFile(join(folder, 'index.js'), source);
      await writeFile(join(folder, 'package.json'), '{"type": "module", "main": "index.js", "sideEffects": false}');
    }
    await writeFile(join(root, PROGRAMS.agent.entry), USES);
    const { packages } = await buildProgram('agent', join(root, 'dist'), root);
    expect(packages).toEqual([join(root, 'node_modules/@some/used/node_modules/inner')]);
  });
});
