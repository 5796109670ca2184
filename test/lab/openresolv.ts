import { existsSync, readdirSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory } from './binaries.ts';
import { output } from './exec.ts';

/**
 * The folders that, laid over /usr, give a laptop the `resolvconf` that wg-quick's DNS lines need: Debian's openresolv,
 * unpacked into the cache and never installed. None where the machine has one already.
 */
export async function resolvconfFolders(): Promise<readonly string[]> {
  if (existsSync('/usr/sbin/resolvconf') || existsSync('/usr/bin/resolvconf')) return [];
  const target = join(cacheDirectory(), 'openresolv-usr');
  if (!existsSync(target)) await fetchPackage(target);
  return [target];
}

async function fetchPackage(target: string): Promise<void> {
  const unfinished = `${target}.${process.pid}`;
  await mkdir(unfinished, { recursive: true });
  try {
    await output(['apt-get', 'download', 'openresolv'], { cwd: unfinished });
    const [file = ''] = readdirSync(unfinished);
    await output(['dpkg', '-x', join(unfinished, file), join(unfinished, 'root')]);
    // A package from before the merge of /usr has a /sbin and a /lib, which belong below /usr now.
    for (const top of ['sbin', 'lib'].filter((each) => existsSync(join(unfinished, 'root', each)))) {
      await rename(join(unfinished, 'root', top), join(unfinished, 'root/usr', top));
    }
    await rename(join(unfinished, 'root/usr'), target);
  } catch (cause) {
    throw new Error('a laptop needs resolvconf: apt-get install -y openresolv, or let apt-get download it', { cause });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
}
