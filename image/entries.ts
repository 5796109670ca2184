import type { ImageContents } from './contents.ts';
import { debianEntries } from './debian.ts';
import { type Machine, THIS_MACHINE } from './machine.ts';

/** One file or link of the image, which belongs to root. */
export type ImageEntry = { readonly path: string; readonly mode?: number } & (
  | { readonly content: string }
  | { readonly file: string }
  | { readonly link: string }
);

/** Where the image's parts are. */
export interface ImageSources {
  /** That has the programs. */
  readonly machine: Machine;
  /** A program's path there. */
  readonly executable: (name: string) => string | Promise<string>;
  /** The file of a path of this repository. */
  readonly file: (source: string) => string;
}

/** Every file and link of the image, sorted by path: what the list names, the libraries that its programs load, and who made those. */
export async function imageEntries(
  { executables, files, links }: ImageContents,
  { machine, executable, file }: ImageSources,
): Promise<readonly ImageEntry[]> {
  const programs = await Promise.all(
    executables.map(async ({ name }) => programFiles(await executable(name), `/usr/bin/${name}`, machine)),
  );
  const origins = new Map(programs.flat());
  return [
    ...[...origins].map(([path, origin]) => ({ path, mode: 0o755, file: machine.file(origin) })),
    ...(await debianEntries([...origins.values()], machine)),
    ...files.map(({ source, target }) => ({ path: target, file: file(source) })),
    ...links.map(({ path, target }) => ({ path, link: target })),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A program of this machine at a path of its own, and the libraries that it needs, where its loader looks for them. */
export async function programEntries(executable: string, path: string): Promise<readonly ImageEntry[]> {
  const files = await programFiles(executable, path, THIS_MACHINE);
  return files.map(([target, file]) => ({ path: target, mode: 0o755, file }));
}

/** For each path in the image, the file of the machine that comes there. */
async function programFiles(executable: string, path: string, machine: Machine) {
  // A static program is no fault: ldd says so and exits with 1.
  const printed = await machine.run(['ldd', executable]).catch((error: { stdout: string; code: unknown }) => {
    if (error.code === 1) return error.stdout;
    throw error;
  });
  const files = [executable, ...librariesIn(printed, executable)];
  // Followed there: an absolute link leads to that machine's file, not to ours.
  const followed = (await machine.run(['realpath', ...files])).trim().split('\n');
  return files.map((file, at) => [at === 0 ? path : file, followed[at] ?? file] as const);
}

/** The files in what ldd prints of a program, its loader included; none of a static one. @throws Error when one is not on its machine. */
export function librariesIn(printed: string, executable: string): readonly string[] {
  const missing = /^\s*(\S+) => not found/m.exec(printed)?.[1];
  if (missing !== undefined) throw new Error(`${executable} needs ${missing}, which is not there`);
  return [...printed.matchAll(/(?:=>\s+)?(\/\S+)\s+\(0x/g)].map(([, path = '']) => path);
}
