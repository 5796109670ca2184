import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PLAN_NAMES } from '../support/node-plans.ts';
import type { TestCluster } from './cluster.ts';
import type { Namespace } from './namespace.ts';
import type { LaptopName } from './scan.ts';

const PROGRAM = join(import.meta.dirname, 'programs/sweep.ts');
const TABLE = 'inet swept';
/** Of 65,535 connections, on a machine that computes much else. */
const SWEEP_MS = 120_000;
/** What got lost is sent again. */
const ROUNDS = 10;

/** Every port that there is. */
export const EVERY_PORT = portsFrom([1, 65_535]);
/** Those of well-known programs, of etcd, of Kubernetes, its node ports, and the mesh's own. */
export const SOME_PORTS = portsFrom(
  [1, 1024],
  [2379, 2380],
  [6443, 6443],
  [8000, 10_300],
  [30_000, 32_767],
  [51_800, 51_900],
);
/** Of those, the ports that somebody listens at in a scan, with some around them. */
export const FEW_PORTS = portsFrom(
  [1, 100],
  [440, 450],
  [2379, 2380],
  [5350, 5355],
  [6440, 6450],
  [7005, 7010],
  [8075, 8085],
  [8440, 8445],
  [8470, 8475],
  [9995, 10_005],
  [10_245, 10_255],
  [30_075, 30_085],
  [30_440, 30_445],
  [51_835, 51_845],
);

/** What a laptop asks of one address. */
export interface Sweep {
  readonly name: LaptopName;
  readonly address: string;
  readonly ports: readonly number[];
}

/** Opens a TCP connection to each port: which answered, which said nothing, and how many said no. */
export async function sweepTcp(cluster: TestCluster, swept: Sweep) {
  const said = JSON.parse(await sweep(cluster, 'tcp', swept));
  return said as { readonly open: readonly number[]; readonly silent: readonly number[]; readonly refused: number };
}

/** Sends a datagram to each port, and again to those for which none has come out of the tunnel, until one has for each. */
export async function sweepUdp(cluster: TestCluster, swept: Sweep, watch: SweepWatch): Promise<void> {
  let left = swept.ports;
  for (let round = 0; round < ROUNDS; round += 1) {
    await sweep(cluster, 'udp', { ...swept, ports: left });
    if ((await watch.arrivedAt(swept.address)) === swept.ports.length) return;
    const arrived = await watch.portsArrivedAt(swept.address);
    left = left.filter((port) => !arrived.has(port));
  }
  throw new Error(`some datagrams never arrive at ${swept.address}`);
}

/**
 * Has the node note which packets get past the gateway's rules, to the node or through it, by what was dialled: who asks cannot tell, for a port
 * that is let in says no as well where nobody listens. Also counts the ports of addresses that datagrams come for at all.
 */
export class SweepWatch {
  readonly #node: Namespace;

  private constructor(node: Namespace) {
    this.#node = node;
  }

  static async begin(node: Namespace, addresses: readonly string[]): Promise<SweepWatch> {
    for (const line of [...noting(), ...unanswered(), ...addresses.flatMap(counting)])
      await node.run(`nft add ${line}`);
    return new SweepWatch(node);
  }

  /** The ports of the address that were let in, in order. */
  async letInAt(kind: 'tcp' | 'udp', address: string): Promise<readonly number[]> {
    const text = await this.#node.run(`nft -j list set ${TABLE} let_in${familyOf(address)}`);
    const { nftables } = JSON.parse(text) as { nftables: readonly { set?: { elem?: readonly Noted[] } }[] };
    return nftables
      .flatMap(({ set }) => set?.elem ?? [])
      .filter(({ concat: [to, protocol] }) => to === address && protocol === kind)
      .map(({ concat: [, , port] }) => port)
      .sort((one, other) => one - other);
  }

  /** For how many ports of the address datagrams have come. */
  async arrivedAt(address: string): Promise<number> {
    const text = await this.#node.run(`nft list counter ${TABLE} ${arrivals(address)}`);
    return Number(/packets (\d+)/.exec(text)?.[1]);
  }

  /** Those ports, which nft takes long to print where they are many. */
  async portsArrivedAt(address: string): Promise<ReadonlySet<number>> {
    const text = await this.#node.run(`nft -j list set ${TABLE} ${arrivals(address)}`);
    const { nftables } = JSON.parse(text) as { nftables: readonly { set?: { elem?: readonly number[] } }[] };
    return new Set(nftables.flatMap(({ set }) => set?.elem ?? []));
  }

  async stop(): Promise<void> {
    await this.#node.run(`nft delete table ${TABLE}`);
  }
}

interface Noted {
  readonly concat: readonly [address: string, protocol: string, port: number];
}

/** What `nft add` takes, line by line. */
function noting(): readonly string[] {
  const chains = ['input', 'forward'];
  return [
    `table ${TABLE}`,
    `chain ${TABLE} arrivals { type filter hook prerouting priority raw ; }`,
    ...chains.map((hook) => `chain ${TABLE} ${hook} { type filter hook ${hook} priority filter + 10 ; }`),
    ...[4, 6].flatMap((family) => {
      const dialled = `{ ct original ${ipOf(family)} daddr . meta l4proto . ct original proto-dst }`;
      const rest = `ct state new add @let_in${family} ${dialled}`;
      return [
        `set ${TABLE} let_in${family} { type ipv${family}_addr . inet_proto . inet_service ; size 1000000 ; flags dynamic ; }`,
        ...chains.flatMap((chain) =>
          ['tcp', 'udp'].map((l4) => `rule ${TABLE} ${chain} iifname ${PLAN_NAMES.device} meta l4proto ${l4} ${rest}`),
        ),
      ];
    }),
  ];
}

/** Keeps what is said of datagrams from the tunnel: it would be as many packets again, and nobody listens. The error quotes a packet of UDP. */
function unanswered(): readonly string[] {
  const error = `rule ${TABLE} errors oifname ${PLAN_NAMES.device}`;
  return [
    `chain ${TABLE} errors { type filter hook output priority raw ; }`,
    `${error} icmp type destination-unreachable @th,136,8 17 drop`,
    `${error} icmpv6 type destination-unreachable @th,112,8 17 drop`,
  ];
}

/** A set that large takes nft long to print, so the first datagram for each port is counted. */
function counting(address: string): readonly string[] {
  const name = arrivals(address);
  const first = `iifname ${PLAN_NAMES.device} ${ipOf(familyOf(address))} daddr ${address} udp dport != @${name}`;
  return [
    `counter ${TABLE} ${name}`,
    `set ${TABLE} ${name} { type inet_service ; size 65536 ; flags dynamic ; }`,
    `rule ${TABLE} arrivals ${first} add @${name} { udp dport } counter name ${name}`,
  ];
}

function arrivals(address: string): string {
  return `at_${address.replaceAll(/[.:]/g, '_')}`;
}

function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4;
}

function ipOf(family: number): 'ip' | 'ip6' {
  return family === 4 ? 'ip' : 'ip6';
}

async function sweep(cluster: TestCluster, kind: 'tcp' | 'udp', { name, address, ports }: Sweep): Promise<string> {
  const file = join(cluster.gateway.folder, `ports-${kind}-${name}-${address}`);
  await writeFile(file, JSON.stringify(ports));
  const { commands } = cluster[name].namespace;
  return commands.run([process.execPath, PROGRAM, kind, address, file], { timeoutMs: SWEEP_MS });
}

function portsFrom(...ranges: readonly (readonly [first: number, last: number])[]): readonly number[] {
  return ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, index) => first + index));
}
