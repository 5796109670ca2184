import { isTrue } from '../../src/api/conditions.ts';
import { configMapType } from '../../src/api/core.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { type Client, createClient } from '../../src/k8s/client.ts';
import { loadConnection } from '../../src/k8s/kubeconfig.ts';
import { startReflector } from '../../src/k8s/reflector.ts';
import { createTransport, type Transport } from '../../src/k8s/transport.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { startCluster } from '../lab/cluster.ts';
import type { Laptop } from '../lab/laptop.ts';
import { Mesh, must, RELEASE, until } from '../lab/mesh.ts';
import { aKey } from '../support/builders.ts';
import { DeviceWatch } from './device-watch.ts';
import { agent, cpuPercent, leader, type NodeProcess, rssMb } from './process.ts';
import { type Group, median, quantile, type Row, row } from './row.ts';

const FEW = 100;
const MANY = 10_000;
const CREATORS = 32;
const IDLE_SECONDS = 30;
const CURLS = 50;
const NODES = ['node-1', 'node-2'];
/** Where curl must look: with a dot at the end, nobody tries search domains first. */
const URL = 'http://hello-node-2.demo.svc.cluster.local./';

type Report = (row: Row) => void;

/** What only a real cluster can tell. */
export const meshGroup: Group = {
  name: 'mesh',
  rows: [
    'apply_to_programmed',
    'curl_by_name_ms',
    'operator_rss_mb',
    'agent_rss_mb',
    'idle_cpu_percent',
    'accept_10k_s',
  ],
  async measure(report) {
    const cluster = await startCluster({ name: 'bench', nodes: NODES.length });
    try {
      const mesh = new Mesh(cluster);
      await Promise.all([mesh.install(), mesh.addWorkloads(NODES)]);
      const transport = createTransport(await loadConnection({ env: process.env, path: cluster.kubeconfig }), {
        userAgent: 'bench',
      });
      const api = { transport, client: createClient(transport) };
      await applyToProgrammed(mesh, api, report);
      await curlByName(mesh, report);
      await footprint(mesh, '100', report);
      await acceptMany(api, report);
      await footprint(mesh, '10k', report);
      transport.close();
    } finally {
      await cluster.stop();
    }
  },
};

interface Api {
  readonly transport: Transport;
  readonly client: Client;
}

function create(client: Client, name: string) {
  return client.create(meshPeerType, { metadata: { name, namespace: 'demo' }, spec: { publicKey: aKey(name) } });
}

async function applyToProgrammed(mesh: Mesh, api: Api, report: Report): Promise<void> {
  const floor = (await watchLag(api)) + (await wgSetMs(await agent(mesh.cluster.node('node-1'))));
  const watches = await Promise.all(NODES.map((name) => DeviceWatch.start(mesh.cluster.node(name))));
  const milliseconds: number[] = [];
  for (let index = 0; index < FEW; index++) {
    const name = `peer-${index}`;
    await create(api.client, name);
    const answered = process.hrtime.bigint();
    const seen = await Promise.all(watches.map((watch) => watch.when(aKey(name))));
    milliseconds.push(Math.max(...seen.map((at) => Number(at - answered) / 1e6)));
  }
  for (const watch of watches) watch.stop();
  const says = `from the API server's answer to a new MeshPeer until wireguard-go has it on both nodes, looked at every 2 ms; floor: one write's way to an open watch, and one \`wg set\``;
  report(
    row({ name: 'apply_to_programmed_p50_ms', unit: 'ms', value: median(milliseconds), goal: 50, floor, n: FEW, says }),
  );
  report(
    row({
      name: 'apply_to_programmed_p99_ms',
      unit: 'ms',
      value: quantile(milliseconds, 0.99),
      goal: 150,
      floor,
      n: FEW,
      says,
    }),
  );
}

/** From the API server's answer to a write until an open watch has it; a watch that is faster than the answer counts as 0. */
async function watchLag({ transport, client }: Api): Promise<number> {
  const ending = new AbortController();
  const { store, stopped } = startReflector(transport, configMapType, {
    signal: ending.signal,
    clock: systemClock,
    namespace: 'demo',
  });
  await store.whenSynced();
  const seen = new Map<ObjectKey, number>();
  store.subscribe(({ key }) => seen.set(key, performance.now()));
  const lags: number[] = [];
  for (let index = 0; index < 30; index++) {
    await client.create(configMapType, { metadata: { name: `floor-${index}`, namespace: 'demo' } });
    const answered = performance.now();
    const key = `demo/floor-${index}` as ObjectKey;
    await until(
      'the watch',
      async () => seen.get(key),
      (at) => at !== undefined,
    );
    lags.push(Math.max(0, (seen.get(key) ?? answered) - answered));
  }
  ending.abort();
  await stopped;
  return median(lags);
}

async function wgSetMs({ node, id }: NodeProcess): Promise<number> {
  const program = `const { spawnSync } = require('node:child_process');
    for (let n = 0; n < 20; n++) { const t = performance.now(); spawnSync('wg', ['set', 'wg-default', 'listen-port', '51840']); console.log(performance.now() - t); }`;
  const said = must(await node.exec(['nsenter', '-t', id, '-m', 'node', '-e', program]));
  return median(said.trim().split('\n').map(Number));
}

async function curlByName(mesh: Mesh, report: Report): Promise<void> {
  const laptop = await mesh.cluster.addLaptop('bench');
  await mesh.join(laptop, await mesh.addDevice('bench'));
  const loop = `n=0; while [ $n -lt ${CURLS} ]; do curl -s -o /dev/null -w '%{time_total}\\n' ${URL}; n=$((n+1)); done`;
  const seconds = (text: string) =>
    text
      .trim()
      .split('\n')
      .map((line) => Number(line) * 1000);
  const pod = await mesh.cluster.kubectl(['-n', 'demo', 'exec', 'deploy/hello-node-1', '--', 'sh', '-c', loop]);
  const through = await onLaptop(laptop, loop);
  report(
    row({
      name: 'curl_by_name_ms',
      unit: 'ms',
      value: median(seconds(through)),
      floor: median(seconds(pod)),
      n: CURLS,
      says: 'a new connection by name from the laptop through gateway node-1 to a pod on node-2; floor: the same curl from a pod on node-1',
    }),
  );
}

async function onLaptop(laptop: Laptop, script: string): Promise<string> {
  return must(await laptop.exec(['sh', '-c', script]));
}

async function footprint(mesh: Mesh, suffix: string, report: Report): Promise<void> {
  const bare = await bareNodeMb(mesh);
  const programs = { operator: await leader(mesh), agent: await agent(mesh.cluster.node('node-1')) };
  for (const [program, process] of Object.entries(programs)) {
    const says = `resident memory with ${suffix} MeshPeers${program === 'agent' ? ', wireguard-go not counted' : ''}; floor: the same Node.js doing nothing`;
    report(
      row({ name: `${program}_rss_mb_${suffix}`, unit: 'MB', value: await rssMb(process), floor: bare, n: 1, says }),
    );
  }
  const idle = await Promise.all(Object.values(programs).map((process) => cpuPercent(process, IDLE_SECONDS)));
  Object.keys(programs).forEach((program, index) => {
    const says = `of one processor in ${IDLE_SECONDS} s in which nobody changes anything, with ${suffix} MeshPeers`;
    report(
      row({ name: `idle_cpu_percent_${program}_${suffix}`, unit: '%', value: idle[index] ?? 0, goal: 1, n: 1, says }),
    );
  });
}

async function bareNodeMb(mesh: Mesh): Promise<number> {
  const { node, id } = await agent(mesh.cluster.node('node-1'));
  const program =
    "setTimeout(() => console.log(/VmRSS:\\s+(\\d+)/.exec(require('node:fs').readFileSync('/proc/self/status', 'utf8'))[1]), 500)";
  return (Number(must(await node.exec(['nsenter', '-t', id, '-m', '-p', 'node', '-e', program]))) * 1024) / 1e6;
}

/** Creates them as fast as the API server takes them, then waits for all of them in every node's own report. */
async function acceptMany({ client, transport }: Api, report: Report): Promise<void> {
  const start = performance.now();
  let next = 0;
  const creator = async () => {
    while (next < MANY) await create(client, `many-${next++}`);
  };
  await Promise.all(Array.from({ length: CREATORS }, creator));
  const created = (performance.now() - start) / 1000;
  const all = async () =>
    (await client.list(meshGatewayNodeType, { namespace: RELEASE.namespace })).items.map(
      ({ status }) => status?.peers ?? 0,
    );
  await until(
    'every peer on every node',
    all,
    (peers) => peers.length === NODES.length && peers.every((count) => count >= MANY),
    600,
  );
  report(
    row({
      name: 'accept_10k_s',
      unit: 's',
      value: (performance.now() - start) / 1000,
      floor: created,
      n: 1,
      says: `from the first of ${MANY} creates (${CREATORS} at a time) until both nodes report every peer; floor: the creates alone`,
    }),
  );
  await allSaid(transport);
}

/** Resolves when every peer's status says Programmed: until then the operator is still at work. */
async function allSaid(transport: Transport): Promise<void> {
  const ending = new AbortController();
  const { store, stopped } = startReflector(transport, meshPeerType, { signal: ending.signal, clock: systemClock });
  const isSaid = (peer: MeshPeer) => isTrue(peer.status?.conditions ?? [], 'Programmed');
  await until(
    'every status',
    async () => [...store.values()].filter((peer) => !isSaid(peer)).length,
    (left) => store.synced && left === 0,
    600,
  );
  ending.abort();
  await stopped;
}
