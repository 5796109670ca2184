import { globSync } from 'node:fs';
import { join } from 'node:path';
import { unpackedPackage } from '../lab/debian-package.ts';
import { output } from '../lab/exec.ts';

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
