import { randomBytes } from 'node:crypto';
import { type KeyPair, keyPairFrom } from '../../../src/net/key-pair.ts';
import { median, quantile, type Report, row } from '../row.ts';
import { type BenchMesh, NODES } from './bench-mesh.ts';
import { DeviceWatch } from './device-watch.ts';
import { Floor } from './floor.ts';
import { Knocking } from './knocking.ts';
import { agentOn, cpuSeconds, leader } from './processes.ts';

const CHANGES = 100;
const FLOOR_SAYS =
  "floor: a write's way from the API server's answer to an open watch, and one `wg set` on an idle interface, one such pair after each peer";

/** Among the first peers: what a person waits, and what one change costs. */
export const latencyRows = [
  'apply_to_programmed_p50_ms',
  'apply_to_programmed_p99_ms',
  'operator_cpu_per_peer_ms_100',
  'agent_cpu_per_peer_ms_100',
];

/** The same with ten thousand peers there already. */
export const manyLatencyRows = [
  'apply_to_handshake_10k_p50_ms',
  'apply_to_handshake_10k_p99_ms',
  'operator_cpu_per_peer_ms_10k',
  'agent_cpu_per_peer_ms_10k',
];

/** Seen in the interfaces themselves. */
export async function latency(bench: BenchMesh, report: Report): Promise<void> {
  const watches = await Promise.all(NODES.map((name) => DeviceWatch.start(bench.mesh.cluster.node(name))));
  const keys = Array.from({ length: CHANGES }, () => keyPairFrom(randomBytes(32)));
  const on = async (index: number) => {
    const key = keys[index]?.publicKey ?? '';
    return Math.max(...(await Promise.all(watches.map((watch) => watch.when(key)))));
  };
  try {
    const { milliseconds, floor, cpu } = await oneAfterTheOther(bench, keys, on);
    const says = `from the API server's answer to a new MeshPeer until wireguard-go has it on both nodes, looked at every 2 ms; ${FLOOR_SAYS}`;
    quantiles({ stem: 'apply_to_programmed', goals: [50, 150], says, milliseconds, floor }, report);
    perPeer({ suffix: '100', cpu, says: 'among the first 100 peers' }, report);
  } finally {
    for (const watch of watches) watch.stop();
  }
}

/** To read ten thousand peers of an interface every few milliseconds would be most of what is measured, so devices knock instead. */
export async function manyLatency(bench: BenchMesh, report: Report): Promise<void> {
  const { cluster } = bench.mesh;
  const keys = Array.from({ length: CHANGES }, () => keyPairFrom(randomBytes(32)));
  const { status } = await bench.mesh.gateway();
  const endpoints = cluster.nodes.map(({ address }) => `${address}:51840`);
  const doors = { publicKey: status?.publicKey ?? '', endpoints };
  const knocking = Knocking.start(await cluster.addLaptop('knocker'), doors, keys);
  try {
    const { milliseconds, floor, cpu } = await oneAfterTheOther(bench, keys, (index) => knocking.answered(index));
    const says = `from the API server's answer to a new MeshPeer until both nodes answer its handshake, tried every 4 ms, among ${bench.made} peers; ${FLOOR_SAYS}`;
    quantiles({ stem: 'apply_to_handshake_10k', goals: [50, 150], says, milliseconds, floor }, report);
    const flat =
      'among 10,000 peers, their periodic looks at the whole included: beside the row with 100, it shows what grows with the number of peers';
    perPeer({ suffix: '10k', cpu, says: flat }, report);
  } finally {
    knocking.stop();
  }
}

interface Series {
  readonly milliseconds: readonly number[];
  readonly floor: readonly number[];
  /** Processor time of one change, in milliseconds, by program. */
  readonly cpu: Readonly<Record<'operator' | 'agent', number>>;
}

async function oneAfterTheOther(
  bench: BenchMesh,
  keys: readonly KeyPair[],
  on: (index: number) => Promise<number>,
): Promise<Series> {
  const programs = [await leader(bench.mesh), await agentOn(bench.mesh.cluster.node(NODES[0]))];
  const floor = await Floor.start(bench);
  const milliseconds: number[] = [];
  const before = await Promise.all(programs.map(cpuSeconds));
  try {
    for (const [index, pair] of keys.entries()) {
      const answered = await bench.createPeer(pair);
      milliseconds.push(Math.max(0, (await on(index)) - answered));
      await floor.sample();
    }
  } catch (error) {
    await floor.stop();
    throw error;
  }
  const after = await Promise.all(programs.map(cpuSeconds));
  const [operator = 0, agent = 0] = after.map(
    (seconds, index) => ((seconds - (before[index] ?? 0)) * 1000) / keys.length,
  );
  return { milliseconds, floor: await floor.stop(), cpu: { operator, agent } };
}

function quantiles(
  of: {
    readonly stem: string;
    readonly goals: readonly [number, number];
    readonly says: string;
    readonly milliseconds: readonly number[];
    readonly floor: readonly number[];
  },
  report: Report,
): void {
  const { stem, goals, says, milliseconds, floor } = of;
  const common = { unit: 'ms', n: milliseconds.length, says };
  const most = Math.max(...milliseconds).toFixed(0);
  report(row({ ...common, name: `${stem}_p50_ms`, value: median(milliseconds), goal: goals[0], floor: median(floor) }));
  report(
    row({
      ...common,
      name: `${stem}_p99_ms`,
      value: quantile(milliseconds, 0.99),
      goal: goals[1],
      floor: quantile(floor, 0.99),
      says: `${says}; the worst took ${most} ms`,
    }),
  );
}

function perPeer(
  { suffix, cpu, says }: { readonly suffix: string; readonly cpu: Series['cpu']; readonly says: string },
  report: Report,
): void {
  for (const [program, value] of Object.entries(cpu)) {
    const what = program === 'agent' ? ', with the commands it runs, wireguard-go not counted' : '';
    report(
      row({
        name: `${program}_cpu_per_peer_ms_${suffix}`,
        unit: 'ms',
        value,
        n: CHANGES,
        says: `processor time for one new peer${what}, ${says}`,
      }),
    );
  }
}
