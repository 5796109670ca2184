import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { type ImageExecutable, imageContents } from './contents.ts';
import { type ImageEntry, imageEntries } from './entries.ts';

/**
 * Makes the image's root file system out of this machine, in a folder that is not there yet: `node image/assemble.ts FOLDER`. Every program
 * must then say its version there, where it finds nothing but what the image has. Needs root, for that.
 */
async function assemble(root: string): Promise<void> {
  const contents = imageContents();
  const file = (source: string) => join(import.meta.dirname, '..', source);
  await mkdir(root);
  for (const entry of await imageEntries(contents, { executable: onPath, file })) await put(root, entry);
  for (const executable of contents.executables) process.stdout.write(`${await versionOf(root, executable)}\n`);
}

async function put(root: string, entry: ImageEntry): Promise<void> {
  const target = join(root, entry.path);
  await mkdir(dirname(target), { recursive: true });
  if ('link' in entry) {
    await symlink(entry.link, target);
    return;
  }
  if ('content' in entry) await writeFile(target, entry.content);
  else await copyFile(entry.file, target);
  await chmod(target, entry.mode ?? 0o644);
}

/** A line that names the program and its version. @throws Error when it does not start, or says nothing. */
async function versionOf(root: string, { name, version }: ImageExecutable): Promise<string> {
  const { stdout, stderr } = await promisify(execFile)('chroot', [root, `/usr/bin/${name}`, ...version]);
  const said = (stdout + stderr).split('\n').find((line) => line.trim() !== '');
  if (said === undefined) throw new Error(`${name} ${version.join(' ')} says nothing in the image`);
  return `${name}: ${said}`;
}

function onPath(name: string): string {
  const files = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  const executable = files.find((file) => existsSync(file));
  if (executable === undefined) throw new Error(`${name} is not on PATH`);
  return executable;
}

const [root] = process.argv.slice(2);
if (root === undefined) throw new Error('usage: node image/assemble.ts FOLDER');
await assemble(root);
