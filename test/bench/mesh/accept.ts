import { type Report, row } from '../row.ts';
import { type BenchMesh, NODES } from './bench-mesh.ts';
import { cpuByProgram } from './processes.ts';
import { Settling } from './settling.ts';

const MANY = 10_000;
const RIVAL =
  'another mesh on two such nodes, Kilo, took about 14 min for 500 peers when it was looked at (not measured in this run)';

export const acceptRows = ['accept_10k_s', 'status_10k_s'];

/** Creates them as fast as the API server takes them, then waits for every node's own report, and for every status. */
export async function acceptMany(bench: BenchMesh, report: Report): Promise<void> {
  const settling = await Settling.start(bench.transport);
  try {
    const lab = bench.mesh.cluster.name;
    const cpu = cpuByProgram(lab);
    const count = MANY - bench.made;
    const start = performance.now();
    const seconds = () => (performance.now() - start) / 1000;
    const held = settling.held(MANY, NODES.length).then(seconds);
    const said = settling.said(MANY).then(seconds);
    for (const promise of [held, said]) promise.catch(() => undefined);
    await bench.createUpTo(MANY);
    const common = { unit: 's', floor: seconds(), n: 1 };
    const until = `from the first of ${count} creates, 32 at a time,`;
    const accepted = `${until} until both nodes report all ${MANY} peers; floor: the creates alone; ${RIVAL}`;
    report(row({ ...common, name: 'accept_10k_s', value: await held, says: accepted }));
    const value = await said;
    const stated = `${until} until every status says Programmed; floor: the creates alone; processor seconds meanwhile: ${sharesSince(cpu, cpuByProgram(lab))}`;
    report(row({ ...common, name: 'status_10k_s', value, says: stated }));
  } finally {
    await settling.stop();
  }
}

/** The programs that took most. */
function sharesSince(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string {
  const taken = [...after].map(([name, seconds]) => [name, seconds - (before.get(name) ?? 0)] as const);
  return taken
    .sort(([, one], [, other]) => other - one)
    .slice(0, 6)
    .map(([name, seconds]) => `${name} ${seconds.toFixed(0)}`)
    .join(', ');
}
