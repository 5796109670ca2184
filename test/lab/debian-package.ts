import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from './binaries.ts';
import { output } from './exec.ts';

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
    throw new Error(`${name} cannot be had: let apt-get download it (apt-get update), or install it`, { cause });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  return target;
}

/**
 * What, laid over /usr, gives a member of a lab a program of a Debian package; nothing where the machine has the program already. A
 * package from before the merge of /usr has it in /sbin, and what it needs in /lib.
 */
export async function packageFolders(name: string, program: string): Promise<readonly string[]> {
  const isIn = (folder: string) => ['bin', 'sbin'].some((bin) => existsSync(join(folder, bin, program)));
  if (isIn('/usr')) return [];
  const root = await unpackedPackage(name);
  return [isIn(join(root, 'usr')) ? join(root, 'usr') : root];
}
