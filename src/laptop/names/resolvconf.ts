import { type OurServers, parseResolvConf } from './resolv-conf.ts';

/** Our entry: entries of `lo` come first, and behind a server on this machine resolvconf leaves out all others. */
export const RESOLVCONF_ENTRY = 'lo.sallyport';

/** The command that adds or replaces our entry (resolvconf(8)); it reads the entry from its standard input. */
export const RESOLVCONF_ADD: readonly string[] = ['resolvconf', '-a', RESOLVCONF_ENTRY];
/** The command that takes it away; safe to repeat. */
export const RESOLVCONF_REMOVE: readonly string[] = ['resolvconf', '-f', '-d', RESOLVCONF_ENTRY];

/** Our entry's text. */
export function resolvconfEntry({ addresses, search }: Pick<OurServers, 'addresses' | 'search'>): string {
  const searched = search.length === 0 ? [] : [`search ${search.join(' ')}`];
  return [...addresses.map((address) => `nameserver ${address}`), ...searched, ''].join('\n');
}

/** The servers of all entries but ours, from what `resolvconf -l` lists in order of preference. */
export function formerServersIn(listed: string): readonly string[] {
  const entries = listed.split(/^(?=# resolv\.conf from )/m);
  const others = entries.filter((entry) => !entry.startsWith(`# resolv.conf from ${RESOLVCONF_ENTRY}\n`));
  return parseResolvConf(others.join('\n')).nameservers;
}
