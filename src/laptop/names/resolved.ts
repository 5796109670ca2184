import type { SplitNames } from './split-names.ts';

/**
 * The commands that tell systemd-resolved (resolvectl(1)) of a link's names; safe to repeat. No search list: the C library appends it
 * to every name that nobody knows, so that ordinary names would be asked in the cluster, and here nothing of ours could keep them out.
 */
export function resolvedInstall(device: string, { servers, zones, everything }: Omit<SplitNames, 'search'>): Argvs {
  return [
    // First, so that no other name takes this way in between.
    ['resolvectl', 'default-route', device, everything ? 'yes' : 'no'],
    // Clusters sign nothing, speak no TLS, and hear no multicast.
    ['resolvectl', 'dnssec', device, 'no'],
    ['resolvectl', 'dnsovertls', device, 'no'],
    ['resolvectl', 'llmnr', device, 'no'],
    ['resolvectl', 'mdns', device, 'no'],
    ['resolvectl', 'domain', device, ...(everything ? ['~.'] : []), ...zones.map((zone) => `~${zone}`)],
    ['resolvectl', 'dns', device, ...servers],
  ];
}

/** The commands that undo it. A link that is gone has taken all of it along. */
export function resolvedRemove(device: string): Argvs {
  return [['resolvectl', 'revert', device]];
}

/** Commands, one after the other. */
export type Argvs = readonly (readonly string[])[];
