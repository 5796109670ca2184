import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from '../lab/binaries.ts';
import { output } from '../lab/exec.ts';

/** The folder in the cache that a Debian package was unpacked into; downloaded if it is not there, never installed. */
export async function unpackedPackage(name: string): Promise<string> {
  const target = join(cacheDirectory(), 'packages', name);
  if (existsSync(target)) return target;
  const unfinished = `${target}.${process.pid}`;
  await mkdir(join(unfinished, 'download'), { recursive: true });
  try {
    const download = join(unfinished, 'download');
    await output(['apt-get', 'download', name], { cwd: download });
    const [file = ''] = readdirSync(download);
    await output(['dpkg-deb', '-x', join(download, file), join(unfinished, 'root')]);
    await rename(join(unfinished, 'root'), target);
  } catch (cause) {
    throw new Error(`${name} cannot be had: let apt-get download it (apt-get update)`, { cause });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return target;
}

/** Why tests that need these packages cannot run here, said aloud; undefined when they can. */
export async function missingPackages(...names: readonly string[]): Promise<string | undefined> {
  try {
    for (const name of names) await unpackedPackage(name);
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    console.warn(`SKIPPED ${names[0]}: ${why}`);
    return why;
  }
}
