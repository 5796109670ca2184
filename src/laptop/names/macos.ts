import { type Parsed, parsed, refused } from '../../net/parsed.ts';
import type { SplitNames } from './split-names.ts';

/** A file that makes a system ask names elsewhere. */
export interface NamesFile {
  readonly path: string;
  readonly text: string;
}

/**
 * The files below /etc/resolver that make macOS ask the cluster (resolver(5)); removing them undoes it, and nothing else is to be
 * done. Each bears the profile's name, so that those of a process that is gone are known. All names cannot be redirected by files.
 */
export function macosFiles(
  profile: string,
  { servers, zones, search, everything }: SplitNames,
): Parsed<readonly NamesFile[]> {
  if (everything)
    return refused(
      'on macOS only names of the cluster can be sent there; leave out --full, or use the WireGuard app for it',
    );
  const mark = macosMark(profile);
  const asked = [mark, ...servers.map((server) => `nameserver ${server}`), ''].join('\n');
  const files = zones.map((zone) => ({ path: `/etc/resolver/${zone}`, text: asked }));
  if (search.length === 0) return parsed(files);
  // A file for a domain that nobody asks adds its search list to that of the system.
  const searched = { path: `/etc/resolver/search.sallyport-${profile}`, text: `${mark}\nsearch ${search.join(' ')}\n` };
  return parsed([...files, searched]);
}

/** The first line of each of a profile's files. */
export function macosMark(profile: string): string {
  return `# Written by sallyport for its profile ${profile}`;
}

/** The commands after which macOS has read the files; safe to repeat. */
export const MACOS_REREAD: readonly (readonly string[])[] = [
  ['dscacheutil', '-flushcache'],
  ['killall', '-HUP', 'mDNSResponder'],
];
