import type { TrackedSource } from '../dataplane/connection-tracking.ts';
import type { Flow } from '../dataplane/nftables/ruleset.ts';
import { type Family, type IpAddress, parseAddress } from '../net/address.ts';
import { type Cidr, cidrBase, cidrFamily, cidrsOverlap, hostCidr } from '../net/cidr.ts';
import type { Commands } from './exec.ts';
import { ExecError, failedSaying } from './exec-error.ts';

/** Every command walks the kernel's whole table, so from this many sources on it is read once to see which have entries. */
const LIST_FROM = 8;
/** Protocol and its number, then source, destination and perhaps ports of the original direction. */
const DIALLED = /^([a-z0-9-]+ +\d+) .*? src=(\S+) dst=(\S+)(?: sport=\d+ dport=(\d+))?/;

/** Ends the connections that came from these prefixes: the kernel forgets how to translate them. */
export async function forgetFlows(commands: Commands, sources: readonly Cidr[]): Promise<void> {
  for (const family of [4, 6] as const) {
    const wanted = sources.filter((source) => cidrFamily(source) === family);
    const present = wanted.length < LIST_FROM ? wanted : await withEntries(commands, family, wanted);
    for (const source of present) await forget(commands, family, ['-s', source]);
  }
}

/** TCP's last states: net/netfilter/nf_conntrack_proto_tcp.c. */
const CLOSED = / (TIME_WAIT|CLOSE) /;

/** What each address in these prefixes has opened, line by line: a full table is tens of megabytes of text. */
export async function trackedBySource(
  commands: Commands,
  sources: readonly Cidr[],
): Promise<ReadonlyMap<IpAddress, TrackedSource>> {
  const found = new Map<string, { entries: number; open: number }>();
  const count = (line: string) => {
    const source = / src=(\S+)/.exec(line)?.[1];
    if (source === undefined) return;
    const seen = found.get(source) ?? { entries: 0, open: 0 };
    if (seen.entries === 0) found.set(source, seen);
    seen.entries += 1;
    if (!CLOSED.test(line)) seen.open += 1;
  };
  for (const prefix of sources) {
    const argv = ['conntrack', '-L', '-f', `ipv${cidrFamily(prefix)}`, '-s', prefix];
    const exit = await commands.start(argv, count).exited;
    if (exit.exitCode !== 0) throw new ExecError({ argv, ...exit, timedOut: false });
  }
  return new Map(
    [...found].flatMap(([source, seen]) => {
      const address = parseAddress(source);
      return address.ok ? [[address.value, seen] as const] : [];
    }),
  );
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

/** Ends connections by what was dialled, those of single devices but for what is in `kept`, and no others. */
export async function endFlows(commands: Commands, flows: readonly Flow[], kept: readonly Flow[]): Promise<void> {
  for (const family of [4, 6] as const) {
    const wanted = flows.filter(({ destination }) => cidrFamily(destination) === family);
    const whole = wanted.filter(({ source }) => isPrefix(source));
    const own = wanted.filter(({ source }) => !isPrefix(source));
    const isShort = own.length < LIST_FROM && kept.length === 0;
    const present = isShort ? own : await openAmong(commands, family, own, kept);
    for (const { source, destination, open } of [...whole, ...present]) {
      const words = [
        ...(open === undefined ? [] : ['-p', open.protocol]),
        ...['-s', source, '-d', destination],
        ...(open?.port === undefined ? [] : ['--dport', String(open.port)]),
      ];
      await forget(commands, family, words);
    }
  }
}

/** What is open from these prefixes, each device's connections to one port of one address once. One look for each prefix. */
export async function openFlows(commands: Commands, sources: readonly Cidr[]): Promise<readonly Flow[]> {
  const found: Flow[] = [];
  for (const source of sources)
    found.push(
      ...dialledFlows(await commands.run(['conntrack', '-L', '-f', `ipv${cidrFamily(source)}`, '-s', source])),
    );
  return found;
}

/** What was dialled in the entries that `conntrack -L` prints, each once: the first source, destination and port of a line. */
export function dialledFlows(text: string): readonly Flow[] {
  const found = new Map<string, Flow>();
  // A hundred thousand lines are about a few devices and Services.
  const addresses = new Map<string, ReturnType<typeof parseAddress>>();
  const address = (word: string) => {
    const known = addresses.get(word) ?? parseAddress(word);
    addresses.set(word, known);
    return known;
  };
  for (const line of text.split('\n')) {
    const [, dialled = '', source = '', destination = '', port] = DIALLED.exec(line) ?? [];
    const [name = '', number = ''] = dialled.split(/ +/);
    const key = `${name} ${number} ${source} ${destination} ${port}`;
    if (dialled === '' || found.has(key)) continue;
    const [from, to] = [address(source), address(destination)];
    if (!from.ok || !to.ok) continue;
    const open = {
      protocol: name === 'unknown' ? number : name,
      port: port === undefined ? undefined : Number(port),
    };
    found.set(key, { source: from.value, destination: hostCidr(to.value), open });
  }
  return [...found.values()];
}

function isPrefix(source: Flow['source']): boolean {
  return source.includes('/');
}

/** One look at the kernel's table, instead of a walk through it for each of many. */
async function openAmong(
  commands: Commands,
  family: Family,
  flows: readonly Flow[],
  kept: readonly Flow[],
): Promise<readonly Flow[]> {
  if (flows.length === 0) return [];
  const [ending, going] = [flows, kept].map((all) => Map.groupBy(all, ({ source }) => source));
  const listed = dialledFlows(await commands.run(['conntrack', '-L', '-f', `ipv${family}`]));
  return listed.filter((dialled) => {
    const isOf = (flow: Flow) => isWithin(flow, dialled);
    return ending?.get(dialled.source)?.some(isOf) === true && going?.get(dialled.source)?.some(isOf) !== true;
  });
}

function isWithin({ destination, open }: Flow, dialled: Flow): boolean {
  if (!cidrsOverlap(destination, dialled.destination)) return false;
  return open === undefined || (open.protocol === dialled.open?.protocol && open.port === dialled.open.port);
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
