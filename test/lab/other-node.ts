import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from './binaries.ts';
import { output } from './exec.ts';
import { step } from './progress.ts';

/** Another Node.js than the project's own, from its npm package, kept in the lab's cache. Resolves with the program's file. */
export async function otherNode(version: string): Promise<string> {
  const folder = join(cacheDirectory(), `node-${version}`);
  const program = join(folder, 'bin/node');
  if (existsSync(program)) return program;
  await mkdir(cacheDirectory(), { recursive: true });
  const made = await mkdtemp(`${folder}-`);
  try {
    await step(`fetching Node ${version}`, fetchInto(made, version));
    await rename(made, folder);
  } finally {
    await rm(made, { recursive: true, force: true });
  }
  return program;
}

async function fetchInto(folder: string, version: string): Promise<void> {
  const name = `node-linux-${process.arch}@${version}`;
  const packed = (await output(['npm', 'pack', '--silent', '--pack-destination', folder, name])).trim();
  await output(['tar', '-x', '-z', '-f', join(folder, packed), '-C', folder, '--strip-components=1']);
}
