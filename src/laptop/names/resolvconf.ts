import { parseResolvConf, type ResolvConf, searchList } from './resolv-conf.ts';

/** Our entry: entries of `lo` come first, and behind a server on this machine resolvconf leaves out all others. */
export const RESOLVCONF_ENTRY = 'lo.sallyport';

/** The command that adds or replaces our entry (resolvconf(8)); it reads the entry from its standard input. */
export const RESOLVCONF_ADD: readonly string[] = ['resolvconf', '-a', RESOLVCONF_ENTRY];
/** The command that takes it away; where it is not there, openresolv calls that an error. */
export const RESOLVCONF_REMOVE: readonly string[] = ['resolvconf', '-d', RESOLVCONF_ENTRY];

/** Our entry's text. What others search is repeated in it, so that it stays before ours. */
export function resolvconfEntry({ addresses, search, others }: ResolvconfEntry): string {
  const searched = searchList(others, '', search);
  return [
    ...addresses.map((address) => `nameserver ${address}`),
    ...(searched.length === 0 ? [] : [`search ${searched.join(' ')}`]),
    '',
  ].join('\n');
}

/** Whether our entry is among those that `resolvconf -l` lists. */
export function hasOurEntry(listed: string): boolean {
  return entriesIn(listed).some(isOurs);
}

/** What all entries but ours say, from what `resolvconf -l` lists in order of preference. */
export function otherEntries(listed: string): ResolvConf {
  const others = entriesIn(listed).filter((entry) => !isOurs(entry));
  const search = others.flatMap((entry) => parseResolvConf(entry).search);
  return { nameservers: parseResolvConf(others.join('\n')).nameservers, search: [...new Set(search)] };
}

interface ResolvconfEntry {
  /** Of our forwarders. */
  readonly addresses: readonly string[];
  readonly search: readonly string[];
  /** What others search. */
  readonly others: readonly string[];
}

function entriesIn(listed: string): readonly string[] {
  return listed.split(/^(?=# resolv\.conf from )/m);
}

function isOurs(entry: string): boolean {
  return entry.startsWith(`# resolv.conf from ${RESOLVCONF_ENTRY}\n`);
}
