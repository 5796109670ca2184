import type { Flow } from '../dataplane/nftables/ruleset.ts';
import { addressFamily, type Family, parseAddress } from '../net/address.ts';
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
    for (const source of present) await forget(commands, family, ['-s', source]);
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

/** Ends the connections of single devices to single ports, by what they dialled, and no others. */
export async function endFlows(commands: Commands, flows: readonly Flow[]): Promise<void> {
  for (const family of [4, 6] as const) {
    const wanted = flows.filter(({ source }) => addressFamily(source) === family);
    const present = wanted.length < LIST_FROM ? wanted : await withFlows(commands, family, wanted);
    for (const { protocol, source, destination, port } of present)
      await forget(commands, family, ['-p', protocol, '-s', source, '-d', destination, '--dport', String(port)]);
  }
}

/** What was dialled in the entries that `conntrack -L` prints, as keys: the first of each word of each line. */
export function dialledFlows(text: string): ReadonlySet<string> {
  const dialled = new Set<string>();
  for (const line of text.split('\n')) {
    const [, protocol] = /^(\S+)/.exec(line) ?? [];
    const [, source, destination, port] = / src=(\S+) dst=(\S+) sport=\d+ dport=(\d+)/.exec(line) ?? [];
    if (port !== undefined) dialled.add(`${protocol} ${plain(source)} ${plain(destination)} ${port}`);
  }
  return dialled;
}

async function withFlows(commands: Commands, family: Family, flows: readonly Flow[]): Promise<readonly Flow[]> {
  const dialled = dialledFlows(await commands.run(['conntrack', '-L', '-f', `ipv${family}`]));
  return flows.filter(({ protocol, source, destination, port }) =>
    dialled.has(`${protocol} ${source} ${destination} ${port}`),
  );
}

/** The canonical spelling of what conntrack prints. */
function plain(text = ''): string {
  const address = parseAddress(text);
  return address.ok ? address.value : text;
}

async function withEntries(commands: Commands, family: Family, sources: readonly Cidr[]): Promise<readonly Cidr[]> {
  const present = flowSources(await commands.run(['conntrack', '-L', '-f', `ipv${family}`]));
  return sources.filter((source) => present.has(source) || hostCidr(cidrBase(source)) !== source);
}

/** `conntrack -D` ends with exit code 1 when nothing matched. */
async function forget(commands: Commands, family: Family, match: readonly string[]): Promise<void> {
  try {
    await commands.run(['conntrack', '-D', '-f', `ipv${family}`, ...match]);
  } catch (error) {
    if (!failedSaying(error, /0 flow entries have been deleted/)) throw error;
  }
}
