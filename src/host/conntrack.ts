import { type Family, parseAddress } from '../net/address.ts';
import { type Cidr, cidrBase, cidrFamily, hostCidr } from '../net/cidr.ts';
import type { Commands } from './exec.ts';
import { failedSaying } from './exec-error.ts';

/** Every command walks the kernel's whole table, so from this many sources on it is read once to see which have entries. */
const LIST_FROM = 8;

/** Ends the connections that came from these prefixes: the kernel forgets how to translate them. */
export async function forgetFlows(commands: Commands, sources: readonly Cidr[]): Promise<void> {
  for (const family of [4, 6] as const) {
    const wanted = sources.filter((source) => cidrFamily(source) === family);
    const present = wanted.length < LIST_FROM ? wanted : await withEntries(commands, family, wanted);
    for (const source of present) await forget(commands, family, source);
  }
}

/** The original sources of the entries that `conntrack -L` prints: the first `src=` of each line. */
export function flowSources(text: string): ReadonlySet<Cidr> {
  const sources = new Set<Cidr>();
  for (const line of text.split('\n')) {
    const address = parseAddress(/ src=(\S+)/.exec(line)?.[1] ?? '');
    if (address.ok) sources.add(hostCidr(address.value));
  }
  return sources;
}

async function withEntries(commands: Commands, family: Family, sources: readonly Cidr[]): Promise<readonly Cidr[]> {
  const present = flowSources(await commands.run(['conntrack', '-L', '-f', `ipv${family}`]));
  return sources.filter((source) => present.has(source) || hostCidr(cidrBase(source)) !== source);
}

/** `conntrack -D` ends with exit code 1 when nothing matched. */
async function forget(commands: Commands, family: Family, source: Cidr): Promise<void> {
  try {
    await commands.run(['conntrack', '-D', '-f', `ipv${family}`, '-s', source]);
  } catch (error) {
    if (!failedSaying(error, /0 flow entries have been deleted/)) throw error;
  }
}
