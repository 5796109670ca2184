/** What of a resolv.conf(5) says where names are asked. */
export interface ResolvConf {
  /** As they stand there, some with a zone (`fe80::1%eth0`); at most the three that the C library looks at. */
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
}

/** What our resolv.conf adds to that of others. */
export interface OurServers {
  /** Our forwarders, asked first. */
  readonly addresses: readonly string[];
  readonly search: readonly string[];
  /**
   * The servers that were there stay behind ours, for the time between a crash and its repair. Not where all names must go into the
   * cluster, and not for musl, which asks all servers at once.
   */
  readonly keepsFormer: boolean;
  /** The domain of the host's name, which the C library searches as long as no line says what to search; empty for none. */
  readonly hostDomain: string;
}

/** MAXNS of <resolv.h>: servers beyond are never asked. */
const MOST_SERVERS = 3;
/** resolv.conf(5): "If no nameserver entries are present, the default is to use the name server on the local machine." */
export const LOCAL_SERVER = '127.0.0.1';

/** Reads a resolv.conf; what it does not know it passes over, as the C library does. */
export function parseResolvConf(text: string): ResolvConf {
  const lines = text.split('\n').map(words);
  const servers = lines.flatMap(([key, server]) => (key === 'nameserver' && server !== undefined ? [server] : []));
  // The last of all search and domain lines counts.
  const search = lines.findLast(([key]) => key === 'search' || key === 'domain')?.slice(1) ?? [];
  return { nameservers: (servers.length === 0 ? [LOCAL_SERVER] : servers).slice(0, MOST_SERVERS), search };
}

/** What is searched once ours is added: what was before comes first, be it nothing but the name as it is, which `.` stands for. */
export function searchList(former: readonly string[], hostDomain: string, ours: readonly string[]): readonly string[] {
  if (ours.length === 0) return former;
  const before = former.length > 0 ? former : [hostDomain === '' ? '.' : hostDomain];
  return [...new Set([...before, ...ours])];
}

/** Somebody's resolv.conf with our servers first and our search list last; options, comments and what else stands there stay. */
export function withOurServers(text: string, { addresses, search, keepsFormer, hostDomain }: OurServers): string {
  const former = parseResolvConf(text);
  const hasServers = text.split('\n').some((line) => words(line)[0] === 'nameserver');
  const servers = [...addresses, ...(keepsFormer && hasServers ? former.nameservers : [])];
  const all = searchList(former.search, hostDomain, search);
  const rest = text.split('\n').flatMap((line) => otherLine(line));
  while (rest.at(-1) === '') rest.pop();
  return [
    ...servers.slice(0, MOST_SERVERS).map((server) => `nameserver ${server}`),
    ...(all.length === 0 ? [] : [`search ${all.join(' ')}`]),
    ...rest,
    '',
  ].join('\n');
}

/** The line without what our own lines say. `rotate` would let every second question pass us by. */
function otherLine(line: string): readonly string[] {
  const [key = '', ...values] = words(line);
  if (['nameserver', 'search', 'domain'].includes(key)) return [];
  if (key !== 'options' || !values.includes('rotate')) return [line];
  const others = values.filter((value) => value !== 'rotate');
  return others.length === 0 ? [] : [`options ${others.join(' ')}`];
}

function words(line: string): readonly string[] {
  return /^[a-z]/.test(line) ? line.trim().split(/\s+/) : [];
}
