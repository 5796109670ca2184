import type { TrackedSource } from '../dataplane/connection-tracking.ts';
import { FlowIndex, flowKey, flowSourceCidr } from '../dataplane/nftables/flow-index.ts';
import type { Flow } from '../dataplane/nftables/ruleset.ts';
import { type Family, type IpAddress, parseAddress } from '../net/address.ts';
import { type Cidr, cidrBase, cidrFamily, coveringCidr, hostCidr } from '../net/cidr.ts';
import { type Endpoint, endpointParts } from '../net/endpoint.ts';
import { DialledReader, detached, flowSource, listEntries } from './conntrack-entries.ts';
import type { Commands } from './exec.ts';
import { failedSaying } from './exec-error.ts';

/** Every command walks the kernel's whole table, so from this many on it is read once to see which have entries. */
const LIST_FROM = 8;
/** Each of them has ended what it came to before another did. */
const MOST_WALKS = 20;

/** Ends the connections that came from these prefixes: the kernel forgets how to translate them. */
export async function forgetFlows(commands: Commands, sources: readonly Cidr[]): Promise<void> {
  for (const family of [4, 6] as const) {
    const wanted = sources.filter((source) => cidrFamily(source) === family);
    const present = wanted.length < LIST_FROM ? wanted : await withEntries(commands, wanted);
    for (const source of present) await forget(commands, family, ['-s', source]);
  }
}

/** Forgets the datagrams between these ports of the node and these endpoints, whoever sent the first; two walks for each. */
export async function forgetCalls(
  commands: Commands,
  endpoints: readonly Endpoint[],
  ports: readonly number[],
): Promise<void> {
  for (const endpoint of endpoints) {
    const { host, port } = endpointParts(endpoint);
    const family = host.includes(':') ? 6 : 4;
    for (const own of ports.map(String)) {
      const sent = ['-d', host, '--orig-port-src', own, '--orig-port-dst', String(port)];
      await forget(commands, family, ['-p', 'udp', ...sent]);
      const came = ['-s', host, '--orig-port-src', String(port), '--reply-port-src', own];
      await forget(commands, family, ['-p', 'udp', ...came]);
    }
  }
}

/** TCP's last states: net/netfilter/nf_conntrack_proto_tcp.c. */
const CLOSED = / (TIME_WAIT|CLOSE) /;

/** What each address in these prefixes has opened, line by line: a full table is tens of megabytes of text. */
export async function trackedBySource(
  commands: Commands,
  sources: readonly Cidr[],
): Promise<ReadonlyMap<IpAddress, TrackedSource>> {
  const found = new Map<string, { entries: number; open: number; established: number }>();
  const count = (line: string) => {
    const source = flowSource(line);
    if (source === undefined) return;
    const seen = found.get(source) ?? { entries: 0, open: 0, established: 0 };
    if (seen.entries === 0) found.set(detached(source), seen);
    seen.entries += 1;
    if (!CLOSED.test(line)) seen.open += 1;
    if (line.includes(' ESTABLISHED ')) seen.established += 1;
  };
  for (const prefix of sources) await listEntries(commands, prefix, count);
  return new Map(
    [...found].flatMap(([source, seen]) => {
      const address = parseAddress(source);
      return address.ok ? [[address.value, seen] as const] : [];
    }),
  );
}

/**
 * Ends connections by what was dialled, those of single devices but for what is in `kept`, and no others. Those of a whole prefix are ended by
 * one command, if any is open. A few are ended unseen; for more, what is open is looked at once.
 */
export async function endFlows(commands: Commands, flows: readonly Flow[], kept: readonly Flow[]): Promise<void> {
  for (const family of [4, 6] as const) {
    const wanted = flows.filter(({ destination }) => cidrFamily(destination) === family);
    const isShort = wanted.length < LIST_FROM && kept.length === 0;
    const present = isShort ? wanted : await openAmong(commands, wanted, kept);
    for (const { source, destination, open } of present) {
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
  const found = new Map<string, Flow>();
  const reader = new DialledReader();
  for (const source of sources)
    await listEntries(commands, source, (line) => {
      const dialled = reader.read(line);
      const key = dialled === undefined ? '' : flowKey(dialled);
      if (dialled !== undefined && !found.has(key)) found.set(key, dialled);
    });
  return [...found.values()];
}

/** One look at the kernel's table, instead of a walk through it for each of many: no more is kept of it than what ends. */
async function openAmong(commands: Commands, flows: readonly Flow[], kept: readonly Flow[]): Promise<readonly Flow[]> {
  const source = coveringCidr(new Set(flows.map(flowSourceCidr)));
  if (source === undefined) return [];
  const [ending, going] = [new FlowIndex(flows), new FlowIndex(kept)];
  const found = new Map<string, Flow>();
  const reader = new DialledReader();
  await listEntries(commands, source, (line) => {
    const dialled = reader.read(line);
    if (dialled === undefined) return;
    const ends = ending.merged(dialled) ?? (ending.has(dialled) && !going.has(dialled) ? dialled : undefined);
    if (ends !== undefined) found.set(flowKey(ends), ends);
  });
  return [...found.values()];
}

async function withEntries(commands: Commands, sources: readonly Cidr[]): Promise<readonly Cidr[]> {
  const hosts = new Set(sources.filter((source) => hostCidr(cidrBase(source)) === source));
  const present = new Set<Cidr>();
  const listed = coveringCidr(hosts);
  if (listed !== undefined)
    await listEntries(commands, listed, (line) => {
      const address = parseAddress(flowSource(line) ?? '');
      const host = address.ok ? hostCidr(address.value) : undefined;
      if (host !== undefined && hosts.has(host)) present.add(host);
    });
  return sources.filter((source) => present.has(source) || !hosts.has(source));
}

/**
 * `conntrack -D` ends with exit code 1 when nothing matched, and leaves the rest of its walk when one that it is about to delete has gone by
 * itself or by another: then it walks again.
 */
async function forget(commands: Commands, family: Family, match: readonly string[]): Promise<void> {
  for (let walk = 1; ; walk += 1) {
    try {
      await commands.run(['conntrack', '-D', '-f', `ipv${family}`, ...match]);
      return;
    } catch (error) {
      if (failedSaying(error, /0 flow entries have been deleted/)) return;
      if (walk === MOST_WALKS || !failedSaying(error, /such conntrack doesn't exist/)) throw error;
    }
  }
}
