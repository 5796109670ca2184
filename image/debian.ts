import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import type { ImageEntry } from './entries.ts';

/**
 * What tells a scanner which Debian packages files of this machine are from, and people under which licences, where there is no database of
 * dpkg: a file for each package below /var/lib/dpkg/status.d, as the distroless images have it (their PACKAGE_METADATA.md), and its
 * copyright file. Nothing on a machine without dpkg.
 */
export async function debianEntries(files: readonly string[]): Promise<readonly ImageEntry[]> {
  const owners = await ownersOf(files);
  if (owners.length === 0) return [];
  const packages = await Promise.all(owners.map(packageEntries));
  return [{ path: '/etc/os-release', file: '/etc/os-release' }, ...packages.flat()];
}

async function packageEntries(owner: string): Promise<readonly ImageEntry[]> {
  const [name] = owner.split(':');
  const { stdout } = await promisify(execFile)('dpkg-query', ['--status', owner]);
  const copyright = `/usr/share/doc/${name}/copyright`;
  return [
    { path: `/var/lib/dpkg/status.d/${name}`, content: stdout },
    ...(existsSync(copyright) ? [{ path: copyright, file: copyright }] : []),
  ];
}

/** The packages of files. What no package has brought is left out. */
async function ownersOf(files: readonly string[]): Promise<readonly string[]> {
  // /lib is a link to /usr/lib, and dpkg knows each file by the one path that its package has it under.
  const spellings = files.flatMap((file) => [
    file,
    file.startsWith('/usr/') ? file.slice('/usr'.length) : `/usr${file}`,
  ]);
  // It exits with 1 when one of them is nobody's.
  const search = promisify(execFile)('dpkg-query', ['--search', ...spellings]);
  const { stdout } = await search.catch((error: { stdout: string; code: unknown }) => {
    if (error.code === 1 || error.code === 'ENOENT') return { stdout: error.stdout ?? '' };
    throw error;
  });
  return ownersIn(stdout);
}

/** The packages in what dpkg-query prints of files, each once, sorted. */
export function ownersIn(printed: string): readonly string[] {
  const owners = printed.split('\n').flatMap((line) => /^([a-z0-9][a-z0-9+.:-]*)(?:, .*)?: \//.exec(line)?.[1] ?? []);
  return [...new Set(owners)].sort();
}
