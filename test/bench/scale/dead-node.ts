import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { PublicKey } from '../../../src/net/key.ts';
import { type KeyPair, keyPairFrom } from '../../../src/net/key-pair.ts';
import type { Laptop } from '../../lab/laptop.ts';
import { must, RELEASE, until } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';
import { BenchMesh } from '../mesh/bench-mesh.ts';
import { type Report, row } from '../row.ts';
import { Devices, NETWORK } from './devices.ts';

const DEVICES = 1_000;
const TIMES = 3;
/** Longer nobody waits for devices that no node calls. */
const BOUND_S = 30;
const PORT = 51_840;
/** Until all nodes have asked each other. */
const SETTLING_MS = 15_000;

export const deadNodeRow = 'takeover_1000_peers_s';

/** How long it took after a death, in seconds since it. */
interface Taken {
  /** How many devices had a session with the other node in the end. */
  readonly connected: number;
  readonly firstCall: number;
  readonly lastCall: number;
  readonly half: number;
  readonly last: number;
}

/** A thousand devices whose node dies, and one other node that calls them all. */
export async function deadNode(report: Report): Promise<void> {
  const bench = await BenchMesh.start();
  try {
    const keys = Array.from({ length: DEVICES }, () => keyPairFrom(randomBytes(32)));
    for (const pair of keys) await bench.createPeer(pair);
    await bench.ready(DEVICES);
    const scene = { bench, keys, laptop: await bench.mesh.cluster.addLaptop('devices') };
    must(await scene.laptop.exec(['ip', 'route', 'add', 'local', NETWORK.prefix, 'dev', 'lo']));
    const seen: Taken[] = [];
    for (let time = 0; time < TIMES; time += 1) seen.push(await takenOver(scene, true));
    const without = await takenOver(scene, false);
    const worst = seen.reduce((one, other) => (one.last > other.last ? one : other));
    const [first, called, half, last] = [worst.firstCall, worst.lastCall, worst.half, worst.last].map((s) =>
      s.toFixed(2),
    );
    report(
      row({
        name: deadNodeRow,
        unit: 's',
        value: Math.max(...seen.map((one) => (one.connected < DEVICES ? BOUND_S : one.last))),
        goal: 2,
        floor: without.connected < DEVICES ? BOUND_S : without.last,
        n: TIMES,
        says: `from the death of a node with sessions of ${DEVICES} devices until the last of them has a session with the only other node, the longest of ${TIMES}: ${seen.map(({ connected, last: end }) => `${connected} in ${end.toFixed(2)} s`).join(', ')}; of the longest: first device called after ${first} s, last after ${called} s, half have sessions after ${half} s, all after ${last} s; nodes of a real cluster with wireguard-go, a wireguard-go for each device too, all on the same two processors; rival: the same without takeover, where ${without.connected} had one in ${BOUND_S} s`,
      }),
    );
  } finally {
    await bench.stop();
  }
}

interface Scene {
  readonly bench: BenchMesh;
  readonly keys: readonly KeyPair[];
  readonly laptop: Laptop;
}

async function takenOver({ bench, keys, laptop }: Scene, takeover: boolean): Promise<Taken> {
  const { mesh } = bench;
  const [node, other] = mesh.cluster.nodes as [LabNode, LabNode];
  for (const one of [node, other])
    must(await one.exec(['ip', 'route', 'replace', NETWORK.prefix, 'via', laptop.address]));
  await mesh.patchGateway('default', { takeover: { enabled: false } });
  const { status } = await mesh.gateway();
  const dialled = { publicKey: status?.publicKey as PublicKey, address: node.address, port: PORT };
  const devices = await Devices.start(laptop, dialled, keys);
  try {
    await reported(bench, node, DEVICES);
    await reported(bench, other, 0);
    await mesh.patchGateway('default', { takeover: { enabled: takeover } });
    await delay(SETTLING_MS);
    await reported(bench, node, DEVICES);
    const died = Number(process.hrtime.bigint()) / 1e6;
    await node.kill();
    const isOver = () => devices.at(other.address, died) === DEVICES;
    for (let waited = 0; waited < BOUND_S * 1000 && !isOver(); waited += 100) await delay(100);
    await revive(bench, node);
    return taken(devices, other, died);
  } finally {
    await devices.stop();
  }
}

function taken(devices: Devices, { address }: LabNode, died: number): Taken {
  const calls = devices.firsts('heard', address, died);
  const sessions = devices.firsts('session', address, died);
  const since = (ms = Number.NaN) => (ms - died) / 1000;
  return {
    connected: sessions.length,
    firstCall: since(calls[0]),
    lastCall: since(calls.at(-1)),
    half: since(sessions[DEVICES / 2]),
    last: since(sessions.at(-1)),
  };
}

async function revive({ mesh }: BenchMesh, node: LabNode): Promise<void> {
  await node.start();
  await until(
    'all nodes of the gateway to serve',
    () => mesh.gateway(),
    (gateway) => gateway.status?.nodes?.ready === mesh.cluster.nodes.length,
    180,
  );
}

/** Waits until a node reports so many sessions. */
async function reported({ mesh }: BenchMesh, node: LabNode, sessions: number): Promise<void> {
  await until(
    `${sessions} sessions of ${node.name} in ${RELEASE.namespace}`,
    () => mesh.gatewayNode('default', node.name),
    ({ status }) => status?.connected === sessions,
    240,
  );
}
