import { setTimeout as delay } from 'node:timers/promises';
import { kernelProblem } from '../../scripts/support/machine.ts';
import { DEVICE } from '../lab/gateway-node.ts';
import { must } from '../lab/mesh.ts';
import type { LabNode } from '../lab/node.ts';
import { DISTURBANCES, type Disturbance, type Scene } from './loss/disturbances.ts';
import { Flood, type Loss } from './loss/flood.ts';
import { takePrecedence } from './loss/precedence.ts';
import { BenchMesh, NAMESPACE, NODES } from './mesh/bench-mesh.ts';
import { type Group, type Report, type Row, row, unmeasured } from './row.ts';

const PER_SECOND = 1_000;
const IDLE_S = 20;

/** What the line itself loses, which is no fault of anybody's. */
const IDLE: Disturbance = {
  row: 'lost_idle',
  says: `while nothing is done for ${IDLE_S} s`,
  act: () => delay(IDLE_S * 1000),
};
const ALL = [IDLE, ...DISTURBANCES];

/** What a running flow loses on in-kernel WireGuard while things happen that do not concern it. */
export const lossGroup: Group = {
  name: 'loss',
  rows: ALL.map(({ row }) => row),
  async measure(report, isWanted) {
    const problem = kernelProblem();
    if (problem !== undefined) throw new Error(problem);
    const bench = await BenchMesh.start(['own', 'shared']);
    try {
      await measureAll(bench, report, isWanted);
    } finally {
      await bench.stop();
    }
  },
};

async function measureAll(bench: BenchMesh, report: Report, isWanted: (row: string) => boolean): Promise<void> {
  const { mesh } = bench;
  const node = mesh.cluster.node(NODES[0]);
  const others = [await mesh.addDevice('other-1'), await mesh.addDevice('other-2')] as const;
  for (const other of others) await mesh.untilPeer(other, 'Programmed');
  const flood = await startFlood(bench, node);
  try {
    const replaced = await flood.during(async () => {
      await replaceAll(node);
      await flood.flows();
    });
    const wanted = ALL.filter(({ row }) => isWanted(row));
    for (const disturbance of wanted) report(await measured(disturbance, { bench, node, others }, flood, replaced));
  } finally {
    await flood.stop();
  }
}

/** From a laptop through kernel WireGuard to a pod on the other node, so that only the gateway is on a slow kernel. */
async function startFlood({ mesh }: BenchMesh, gateway: LabNode): Promise<Flood> {
  const laptop = await mesh.cluster.addLaptop('flood');
  await mesh.join(laptop, await mesh.addDevice('flood'), gateway.address);
  const flood = new Flood(laptop, await mesh.serviceAddress(`hello-${NODES[1]}`, NAMESPACE), 80, PER_SECOND);
  await flood.flows();
  await takePrecedence(mesh.cluster, laptop);
  return flood;
}

async function measured({ row: name, says, act }: Disturbance, scene: Scene, flood: Flood, rival: Loss): Promise<Row> {
  try {
    await flood.flows();
    let did: unknown;
    const { sent, lost, slowest } = await flood.during(async () => {
      did = await act(scene);
    });
    const more = [...(typeof did === 'string' ? [did] : []), `the slowest took ${slowest.toFixed(0)} ms`].join('; ');
    return row({
      name,
      unit: 'packets',
      value: lost,
      goal: 0,
      floor: rival.lost,
      n: sent,
      says: `datagrams of a flow of ${PER_SECOND} a second through kernel WireGuard that had no echo, ${says} (${more}); ${rivalSays(rival)}`,
    });
  } catch (error) {
    return unmeasured(name, error);
  }
}

function rivalSays({ sent, lost }: Loss): string {
  return `rival: one \`wg setconf\` of the configuration as it is, until the laptop has shaken hands anew (${lost} of ${sent})`;
}

/** What a controller does that knows only how to write the whole configuration. */
async function replaceAll(node: LabNode): Promise<void> {
  const file = '/run/bench-replaced';
  const script = `umask 077; wg showconf ${DEVICE} >${file} && wg setconf ${DEVICE} ${file}; rm ${file}`;
  must(await node.exec(['sh', '-ec', script]));
}
