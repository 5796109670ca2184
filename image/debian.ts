import { existsSync } from 'node:fs';
import type { ImageEntry } from './entries.ts';
import type { Machine } from './machine.ts';

/**
 * What tells a scanner which Debian packages files of a machine are from, and people under which licences, where there is no database of
 * dpkg: a file for each package below /var/lib/dpkg/status.d, as the distroless images have it (their PACKAGE_METADATA.md), and its
 * copyright file. Nothing on a machine without dpkg.
 */
export async function debianEntries(files: readonly string[], machine: Machine): Promise<readonly ImageEntry[]> {
  const owners = await ownersOf(files, machine);
  if (owners.length === 0) return [];
  const packages = await Promise.all(owners.map((owner) => packageEntries(owner, machine)));
  return [{ path: '/etc/os-release', file: machine.file('/etc/os-release') }, ...packages.flat()];
}

async function packageEntries(owner: string, machine: Machine): Promise<readonly ImageEntry[]> {
  const [name] = owner.split(':');
  const path = `/usr/share/doc/${name}/copyright`;
  const file = machine.file(path);
  return [
    { path: `/var/lib/dpkg/status.d/${name}`, content: await machine.run(['dpkg-query', '--status', owner]) },
    ...(existsSync(file) ? [{ path, file }] : []),
  ];
}

/** The packages of files. What no package has brought is left out. */
async function ownersOf(files: readonly string[], machine: Machine): Promise<readonly string[]> {
  // /lib is a link to /usr/lib, and dpkg knows each file by the one path that its package has it under.
  const spellings = files.flatMap((file) => [
    file,
    file.startsWith('/usr/') ? file.slice('/usr'.length) : `/usr${file}`,
  ]);
  // It exits with 1 when one of them is nobody's.
  const search = machine.run(['dpkg-query', '--search', ...spellings]);
  const printed = await search.catch((error: { stdout?: string; code: unknown }) => {
    if (error.code === 1 || error.code === 'ENOENT') return error.stdout ?? '';
    throw error;
  });
  return ownersIn(printed);
}

/** The packages in what dpkg-query prints of files, each once, sorted. */
export function ownersIn(printed: string): readonly string[] {
  const owners = printed.split('\n').flatMap((line) => /^([a-z0-9][a-z0-9+.:-]*)(?:, .*)?: \//.exec(line)?.[1] ?? []);
  return [...new Set(owners)].sort();
}
