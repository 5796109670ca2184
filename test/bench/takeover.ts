import type { Laptop } from '../lab/laptop.ts';
import { type Mesh, must, RELEASE, startMesh, until } from '../lab/mesh.ts';
import type { LabNode } from '../lab/node.ts';
import type { Shape } from '../lab/node-kernels.ts';
import { Dials, EVERY_MS, now } from './laptop/dials.ts';
import { type Group, type Report, row, unmeasured } from './row.ts';
import { ASKS_EVERY_MS, Balancer } from './takeover/balancer.ts';
import { PATIENCE_S, PER_SECOND, Requests } from './takeover/requests.ts';

/** Longer nobody waits for a client that stays with its node. */
const BOUND_S = 30;
const TIMES = 3;

interface Disturbance {
  readonly row: string;
  /** Completes "when …". */
  readonly says: string;
  /** Of the nodes; wireguard-go unless given. */
  readonly shape?: Shape;
  readonly measure: (scene: Scene, one: Disturbance, report: Report) => Promise<void>;
  /** In seconds; 1 unless given. */
  readonly goal?: number;
  /** What the outage is made of, for which nothing of ours is to blame. */
  readonly partOf?: string;
  /** Resolves as soon as it is done, with what undoes it. */
  act(mesh: Mesh, node: LabNode): Promise<() => Promise<void>>;
}

/** In the order in which they are measured. */
const DISTURBANCES: readonly Disturbance[] = [
  {
    row: 'drain_failed_requests',
    says: "the laptop's node is drained and then killed",
    measure: requests,
    act: drain,
  },
  {
    row: 'rollout_failed_requests_userspace',
    says: 'the DaemonSet of the agents is rolled, with wireguard-go, whose sessions end with the agent',
    measure: requests,
    act: rollOut,
  },
  {
    row: 'failover_blackhole_s',
    says: "the network of the laptop's node swallows everything, both ways",
    measure: outages,
    act: blackHole,
  },
  { row: 'failover_node_kill_stock_s', says: "the laptop's node is killed", measure: outages, act: kill },
  {
    row: 'failover_node_kill_lb_s',
    says: "the laptop's node is killed, where the laptop dials a load balancer and hears nobody else",
    measure: balanced,
    goal: 2,
    partOf: `the balancer asks each node every ${ASKS_EVERY_MS} ms, and leads elsewhere when three answers have failed`,
    act: kill,
  },
  {
    row: 'rollout_failed_requests',
    says: 'the DaemonSet of the agents is rolled, with kernel WireGuard, which goes on without an agent',
    shape: 'kernel',
    measure: requests,
    act: rollOut,
  },
];

/** What a laptop with nothing but WireGuard notices of nodes that come and go, with takeover and, in the same run, without. */
export const takeoverGroup: Group = {
  name: 'takeover',
  rows: DISTURBANCES.map(({ row: name }) => name),
  async measure(report, isWanted) {
    const wanted = DISTURBANCES.filter(({ row: name }) => isWanted(name));
    for (const [shape, ones] of Map.groupBy(wanted, (one) => one.shape ?? 'userspace')) {
      const mesh = await startMesh('bench-takeover', shape);
      try {
        const scene = new Scene(mesh, await mesh.cluster.addLaptop('stock'));
        for (const one of ones)
          await one.measure(scene, one, report).catch((error: unknown) => report(unmeasured(one.row, error)));
      } finally {
        await mesh.cluster.stop();
      }
    }
  },
};

/** A laptop that is with a known node each time anew. */
class Scene {
  readonly mesh: Mesh;
  readonly laptop: Laptop;
  /** Where the laptop dials; undefined for the node itself. */
  balancer: Balancer | undefined;
  #count = 0;

  constructor(mesh: Mesh, laptop: Laptop) {
    this.mesh = mesh;
    this.laptop = laptop;
  }

  /** Has the laptop connect by the first node, or by the one that the balancer leads to, and resolves with that one and the address of a Service on the other. */
  async begin(takeover: boolean): Promise<{ readonly node: LabNode; readonly service: string }> {
    const [first, second] = this.mesh.cluster.nodes as [LabNode, LabNode];
    // Here and not in the end, where it would hide what went wrong.
    await untilServing(this.mesh);
    await this.mesh.patchGateway('default', { takeover: { enabled: takeover, drain: '0s' } });
    this.#count += 1;
    const device = await this.mesh.addDevice(`stock-${this.#count}`);
    await this.mesh.join(this.laptop, device, this.balancer === undefined ? first.address : undefined);
    await this.#untilAnswered(second);
    // The balancer may have looked elsewhere meanwhile.
    const told = await until(
      'the session to be reported',
      async () => (await this.mesh.peer(device)).status?.connections?.[0]?.node,
      (name) => name !== undefined && this.mesh.cluster.node(name).address === (this.balancer?.leads ?? first.address),
    );
    const [node, other] = told === second.name ? [second, first] : [first, second];
    return { node, service: await this.#untilAnswered(other) };
  }

  /** Until a Service on this node answers the laptop; resolves with its address. */
  async #untilAnswered(node: LabNode): Promise<string> {
    const service = await this.mesh.serviceAddress(`hello-${node.name}`);
    const asked = () => this.laptop.exec(['curl', '-sS', '--max-time', '10', `http://${service}/`]);
    await until('the Service to answer', asked, ({ code }) => code === 0);
    return service;
  }

  async end(): Promise<void> {
    await this.mesh.leave(this.laptop);
  }
}

/** By a load balancer, which is there for this alone. */
async function balanced(scene: Scene, death: Disturbance, report: Report): Promise<void> {
  const { mesh, laptop } = scene;
  const balancer = await Balancer.start(mesh);
  await balancer.before(laptop);
  scene.balancer = balancer;
  try {
    await outages(scene, death, report);
  } finally {
    scene.balancer = undefined;
    await balancer.after(laptop);
    await balancer.stop();
  }
}

async function outages(scene: Scene, death: Disturbance, report: Report): Promise<void> {
  const seen: number[] = [];
  for (let time = 0; time < TIMES; time += 1) seen.push((await outage(scene, death, true)).ms / 1000);
  const without = await outage(scene, death, false);
  const end = without.overAt === undefined ? `, where there was no end in ${BOUND_S} s` : '';
  report(
    row({
      name: death.row,
      unit: 's',
      value: Math.max(...seen),
      goal: death.goal ?? 1,
      floor: without.ms / 1000,
      n: TIMES,
      says: `without an answer to a stock client's new connections, one begun every ${EVERY_MS} ms, when ${death.says}; the longest of ${seen.map((one) => one.toFixed(2)).join(', ')}; of each ${death.partOf ?? 'about 0.4 s until a neighbour has no answer, 0.25 s for a sign of life, and three writes that are read'}; rival: the same without takeover${end}`,
    }),
  );
}

async function outage(scene: Scene, death: Disturbance, takeover: boolean) {
  const { node, service } = await scene.begin(takeover);
  const dials = new Dials(scene.laptop, service);
  try {
    await dials.flow();
    const since = now();
    const undo = await death.act(scene.mesh, node);
    const seen = await dials.mended(since, BOUND_S * 1000);
    await undo();
    return seen;
  } finally {
    await dials.stop();
    await scene.end();
  }
}

async function requests(scene: Scene, one: Disturbance, report: Report): Promise<void> {
  const [withIt, without] = [await requested(scene, one, true), await requested(scene, one, false)];
  report(
    row({
      name: one.row,
      unit: '',
      value: withIt.failed,
      goal: 0,
      floor: without.failed,
      n: withIt.made,
      says: `of ${withIt.made} HTTP requests of a stock client, ${PER_SECOND} a second, failed or had no answer in ${PATIENCE_S} s, while ${one.says}${withIt.failed === 0 ? '' : `; ${withIt.cut} of them were connected before`}; the slowest took ${withIt.longestS.toFixed(2)} s; rival: the same without takeover, where ${without.failed} of ${without.made} failed and the slowest took ${without.longestS.toFixed(2)} s`,
    }),
  );
}

async function requested(scene: Scene, one: Disturbance, takeover: boolean) {
  const { node, service } = await scene.begin(takeover);
  const asking = new Requests(scene.laptop, service);
  const undo = await one.act(scene.mesh, node);
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  const seen = await asking.stop();
  await undo();
  await scene.end();
  return seen;
}

async function kill(mesh: Mesh, node: LabNode): Promise<() => Promise<void>> {
  await node.kill();
  return async () => {
    await node.start();
    await untilServing(mesh);
  };
}

/** All that comes in and goes out, but for loopback. */
async function blackHole(_mesh: Mesh, node: LabNode): Promise<() => Promise<void>> {
  const drop = (hook: string, name: string) =>
    `chain ${hook} {\ntype filter hook ${hook} priority -450;\n${name} != "lo" drop\n}\n`;
  const ruleset = `table inet bench_hole {\n${drop('prerouting', 'iifname')}${drop('postrouting', 'oifname')}}\n`;
  must(await node.exec(['nft', '-f', '-'], { input: ruleset }));
  return async () => {
    must(await node.exec(['nft', 'delete', 'table', 'inet', 'bench_hole']));
  };
}

/** As before a reboot: nothing is said to the agent, whose pod a drain leaves where it is. */
async function drain(mesh: Mesh, node: LabNode): Promise<() => Promise<void>> {
  await mesh.cluster.kubectl(['cordon', node.name]);
  await new Promise((resolve) => setTimeout(resolve, 8_000));
  const revive = await kill(mesh, node);
  return async () => {
    await revive();
    await mesh.cluster.kubectl(['uncordon', node.name]);
  };
}

async function rollOut(mesh: Mesh): Promise<() => Promise<void>> {
  await mesh.cluster.kubectl(['-n', RELEASE.namespace, 'rollout', 'restart', 'daemonset/sallyport-default']);
  await mesh.untilRolled();
  return async () => undefined;
}

async function untilServing(mesh: Mesh): Promise<void> {
  await until(
    'all nodes of the gateway to serve',
    () => mesh.gateway(),
    ({ status }) => status?.nodes?.ready === mesh.cluster.nodes.length,
    120,
  );
}
