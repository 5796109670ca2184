import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { ImageContents } from './contents.ts';
import { debianEntries } from './debian.ts';

/** One file or link of the image, which belongs to root. */
export type ImageEntry = { readonly path: string; readonly mode?: number } & (
  | { readonly content: string }
  | { readonly file: string }
  | { readonly link: string }
);

/** Where the image's parts are on the machine that makes it. */
export interface ImageSources {
  readonly executable: (name: string) => string | Promise<string>;
  /** The file of a path of this repository. */
  readonly file: (source: string) => string;
}

/** Every file and link of the image, sorted by path: what the list names, the libraries that its programs load, and who made those. */
export async function imageEntries(
  { executables, files, links }: ImageContents,
  sources: ImageSources,
): Promise<readonly ImageEntry[]> {
  const programs = await Promise.all(
    executables.map(async ({ name }) => programEntries(await sources.executable(name), `/usr/bin/${name}`)),
  );
  const byPath = new Map<string, ImageEntry & { readonly file: string }>();
  for (const entry of programs.flat()) byPath.set(entry.path, entry);
  return [
    ...byPath.values(),
    ...(await debianEntries([...byPath.values()].map(({ file }) => file))),
    ...files.map(({ source, target }) => ({ path: target, file: sources.file(source) })),
    ...links.map(({ path, target }) => ({ path, link: target })),
  ].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A program of this machine at a path of its own, and the libraries that it needs, where its loader looks for them. */
export async function programEntries(
  executable: string,
  path: string,
): Promise<readonly (ImageEntry & { readonly file: string })[]> {
  const libraries = await sharedLibraries(executable);
  return [
    { path, mode: 0o755, file: await realpath(executable) },
    ...libraries.map((library) => ({ path: library, mode: 0o755, file: library })),
  ];
}

async function sharedLibraries(executable: string): Promise<readonly string[]> {
  // A static program is no fault: ldd says so and exits with 1.
  const { stdout } = await promisify(execFile)('ldd', [executable]).catch(
    (error: { stdout: string; code: unknown }) => {
      if (error.code === 1) return error;
      throw error;
    },
  );
  return librariesIn(stdout, executable);
}

/** The files in what ldd prints of a program, its loader included; none of a static one. @throws Error when one is not on this machine. */
export function librariesIn(printed: string, executable: string): readonly string[] {
  const missing = /^\s*(\S+) => not found/m.exec(printed)?.[1];
  if (missing !== undefined) throw new Error(`${executable} needs ${missing}, which is not on this machine`);
  return [...printed.matchAll(/(?:=>\s+)?(\/\S+)\s+\(0x/g)].map(([, path = '']) => path);
}
