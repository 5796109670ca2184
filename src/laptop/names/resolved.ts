import type { SplitNames } from './split-names.ts';

/**
 * The commands that tell systemd-resolved (resolvectl(1)) of a link's names; safe to repeat. No search list: the C library appends it
 * to every name that nobody knows, so that ordinary names would be asked in the cluster, and here nothing of ours could keep them out. `claimed` are domains that others have claimed, for links that shall have
 * all names.
 */
export function resolvedInstall(
  device: string,
  { servers, zones, everything }: Omit<SplitNames, 'search'>,
  claimed: readonly string[] = [],
): Argvs {
  const all = [...new Set([...zones, ...claimed])];
  return [
    // First, so that no other name takes this way in between.
    ['resolvectl', 'default-route', device, everything ? 'yes' : 'no'],
    // Clusters sign nothing, speak no TLS, and hear no multicast.
    ['resolvectl', 'dnssec', device, 'no'],
    ['resolvectl', 'dnsovertls', device, 'no'],
    ['resolvectl', 'llmnr', device, 'no'],
    ['resolvectl', 'mdns', device, 'no'],
    ['resolvectl', 'domain', device, ...(everything ? ['~.'] : []), ...all.map((zone) => `~${zone}`)],
    ['resolvectl', 'dns', device, ...servers],
  ];
}

/** The commands that undo it. A link that is gone has taken all of it along. */
export function resolvedRemove(device: string): Argvs {
  return [['resolvectl', 'revert', device]];
}

/**
 * The domains of other links among what `resolvectl domain` lists. systemd-resolved asks for names below them there alone, whoever claims all
 * names, unless they are claimed as well.
 */
export function claimedDomains(listed: string, device: string): readonly string[] {
  const domains = listed.split('\n').flatMap((line) => {
    const [, link, words = ''] = /^(?:Global|Link \d+ \(([^)]*)\)):(.*)$/.exec(line) ?? [];
    return link === device ? [] : words.trim().split(/\s+/);
  });
  return [...new Set(domains.map((domain) => domain.replace(/^~/, '')))].filter(
    (domain) => !['', '.'].includes(domain),
  );
}

/** Commands, one after the other. */
export type Argvs = readonly (readonly string[])[];
