import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ImageExecutable, imageContents } from './contents.ts';
import { type ImageEntry, imageEntries } from './entries.ts';
import { machineIn } from './machine.ts';

/**
 * Makes the image's root file system in a folder that is not there yet, out of the machine in another: `node image/assemble.ts MACHINE FOLDER`.
 * Every program must then say its version there, where it finds nothing but what the image has. Needs root.
 */
async function assemble(from: string, root: string): Promise<void> {
  const contents = imageContents();
  const machine = machineIn(from);
  const executable = async (name: string) => (await machine.run(['sh', '-c', 'command -v "$1"', 'sh', name])).trim();
  const file = (source: string) => join(import.meta.dirname, '..', source);
  await mkdir(root);
  for (const entry of await imageEntries(contents, { machine, executable, file })) await put(root, entry);
  for (const one of contents.executables) process.stdout.write(`${one.name}: ${await versionOf(root, one)}\n`);
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

/** The first line of what a program says of its version. @throws when it does not start, or says nothing */
async function versionOf(root: string, { name, version }: ImageExecutable): Promise<string> {
  const said = await machineIn(root).run([`/usr/bin/${name}`, ...version]);
  const line = said.split('\n').find((text) => text.trim() !== '');
  if (line === undefined) throw new Error(`${name} ${version.join(' ')} says nothing in the image`);
  return line;
}

const [from, root] = process.argv.slice(2);
if (from === undefined || root === undefined) throw new Error('usage: node image/assemble.ts MACHINE FOLDER');
await assemble(from, root);
