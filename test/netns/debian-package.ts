import { existsSync, globSync, readdirSync } from 'node:fs';
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

/** Why tests cannot run here that need D-Bus and these packages, the first of which has the daemon; said aloud. Undefined when they can. */
export async function missingDaemon(daemon: string, names: readonly string[]): Promise<string | undefined> {
  try {
    const folders = await Promise.all(names.map(unpackedPackage));
    await output(['dbus-daemon', '--version']);
    const LD_LIBRARY_PATH = globSync(folders.map((folder) => join(folder, 'usr/lib/*-linux-gnu'))).join(':');
    const libraries = await output(['ldd', join(folders[0] ?? '', daemon)], { env: { LD_LIBRARY_PATH } });
    const [lacking] = libraries.split('\n').filter((line) => line.includes('not found'));
    if (lacking !== undefined) throw new Error(`of its libraries one is not installed: ${lacking.trim()}`);
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    console.warn(`SKIPPED ${names[0]}: ${why}`);
    return why;
  }
}
