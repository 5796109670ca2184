import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Writes a file that only we may read, for a command that takes its input from one; gives its path. */
export async function writeScratch(dir: string, name: string, text: string): Promise<string> {
  const file = join(dir, name);
  await mkdir(dir, { recursive: true });
  await writeFile(file, text, { mode: 0o600 });
  return file;
}
