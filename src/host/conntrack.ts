import type { Flow } from '../dataplane/nftables/ruleset.ts';
import { addressFamily, type Family, type IpAddress, parseAddress } from '../net/address.ts';
import { type Cidr, cidrBase, cidrFamily, cidrsOverlap, hostCidr } from '../net/cidr.ts';
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

/** Ends connections of single devices, by what they dialled, but for those in `kept`, and no others. */
export async function endFlows(commands: Commands, flows: readonly Flow[], kept: readonly Flow[]): Promise<void> {
  for (const family of [4, 6] as const) {
    const wanted = flows.filter(({ source }) => addressFamily(source) === family);
    const isShort = wanted.length < LIST_FROM && kept.length === 0;
    const present = isShort ? wanted.map(dialledLike) : await dialledAmong(commands, family, wanted, kept);
    for (const { protocol, source, destination, port } of present) {
      const words = [
        ...(protocol === undefined ? [] : ['-p', protocol]),
        ...['-s', source, '-d', destination],
        ...(port === undefined ? [] : ['--dport', String(port)]),
      ];
      await forget(commands, family, words);
    }
  }
}

/** What was dialled in an entry of conntrack. */
export interface Dialled {
  /** Undefined for whatever is spoken. */
  readonly protocol: string | undefined;
  readonly source: IpAddress;
  readonly destination: Cidr;
  readonly port: number | undefined;
}

/** What was dialled in the entries that `conntrack -L` prints: the first source, destination and port of each line. */
export function dialledFlows(text: string): readonly Dialled[] {
  return text.split('\n').flatMap((line): readonly Dialled[] => {
    const [, protocol] = /^([a-z0-9-]+) /.exec(line) ?? [];
    const [, source = '', destination = '', port] = / src=(\S+) dst=(\S+)(?: sport=\d+ dport=(\d+))?/.exec(line) ?? [];
    const from = parseAddress(source);
    const to = parseAddress(destination);
    if (!from.ok || !to.ok) return [];
    const known = protocol === 'unknown' ? undefined : protocol;
    return [
      {
        protocol: known,
        source: from.value,
        destination: hostCidr(to.value),
        port: port === undefined ? undefined : Number(port),
      },
    ];
  });
}

function dialledLike({ source, destination, open }: Flow): Dialled {
  return { source, destination, protocol: open?.protocol, port: open?.port };
}

/** One look at the kernel's table, instead of a walk through it for each of many. */
async function dialledAmong(
  commands: Commands,
  family: Family,
  flows: readonly Flow[],
  kept: readonly Flow[],
): Promise<readonly Dialled[]> {
  if (flows.length === 0) return [];
  const [ending, going] = [flows, kept].map((all) => Map.groupBy(all, ({ source }) => source));
  const found = new Map<string, Dialled>();
  for (const dialled of dialledFlows(await commands.run(['conntrack', '-L', '-f', `ipv${family}`]))) {
    const isOf = (flow: Flow) => isWithin(flow, dialled);
    if (ending?.get(dialled.source)?.some(isOf) === true && going?.get(dialled.source)?.some(isOf) !== true)
      found.set(JSON.stringify(dialled), dialled);
  }
  return [...found.values()];
}

function isWithin({ destination, open }: Flow, dialled: Dialled): boolean {
  if (!cidrsOverlap(destination, dialled.destination)) return false;
  return open === undefined || (open.protocol === dialled.protocol && open.port === dialled.port);
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
