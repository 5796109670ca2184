import { setTimeout as delay } from 'node:timers/promises';
import { findCondition, isTrue } from '../../../src/api/conditions.ts';
import { balancerHealth } from '../../lab/balancer-health.ts';
import { TABLE } from '../../lab/gateway-node.ts';
import { type Mesh, must, RELEASE, until } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';
import { letsIn } from '../devices.ts';
import { type Fault, type Heal, meanwhile, type Scene } from '../fault.ts';
import { untilCalledAway, untilServing } from '../going.ts';
import { killProgram, programOf } from '../killed-program.ts';
import { calledAway, unnoticed } from '../promise.ts';

/** Two probes find it out, within 25 s; then others have half a minute to find out whether they are better off; then they call. */
const UNWELL_WITHIN_S = 57;
/** Flows of before go on: the kernel keeps in mind where they lead, and leads them there as long as any table has to do with addresses. */
const UNWELL = { ...calledAway(UNWELL_WITHIN_S, 60), packets: 3_000 };
/** Kernels announce what is removed. */
const WRITTEN_WITHIN_S = 10;
/** Half a minute passes until kube-proxy tries again to write what it could not. */
const HEARD_WITHIN_S = 60;
/** As long as a CoreDNS answers late: each node probes twice, and twice more if it were in doubt. */
const SLOW_MS = 25_000;
const DNS = ['-n', 'kube-system'];

/** What becomes of the mesh where the way from a node to Services fails. */
export const WAYS_TO_SERVICES: readonly Fault[] = [
  {
    what: 'kube-proxy killed',
    through: 'userspace',
    promise: unnoticed(30),
    inject: ({ mesh, node }) => killProxy(mesh, node),
    recovered: letsIn,
  },
  {
    what: 'kube-proxy killed and its rules deleted on one node, so that nothing new there reaches a Service',
    through: 'userspace',
    nightly: 'a node has to be in doubt for half a minute before its devices are called',
    promise: UNWELL,
    async inject(scene) {
      const { mesh, node } = scene;
      const unbalance = await balanced(scene);
      const start = await killProxy(mesh, node);
      must(await node.exec(['nft', 'delete', 'table', 'ip', 'kube-proxy']));
      const heal = async () => {
        await start();
        await untilServing(mesh);
        await untilReady(scene, 'True');
        await untilBalancerHears(scene, 200);
        await unbalance();
      };
      return meanwhile(heal, async () => {
        await untilUnwell(scene);
        // Who would answer is kube-proxy.
        await untilBalancerHears(scene, 0);
      });
    },
    recovered: notGivenBack,
  },
  {
    what: `all rules of a node flushed, kube-proxy’s too, and the gateway’s written again within ${WRITTEN_WITHIN_S} s`,
    through: 'kernel',
    nightly: 'a node has to be in doubt for half a minute, and kube-proxy begins again half a minute after that',
    promise: UNWELL,
    async inject(scene) {
      const { mesh, node } = scene;
      const unbalance = await balanced(scene);
      must(await node.exec(['nft', 'flush', 'ruleset']));
      // Where it does not write its rules by itself the rows after this one are to have them all the same.
      const heal = async () => {
        const start = await killProxy(mesh, node);
        await start();
        await unbalance();
      };
      return meanwhile(heal, async () => {
        await until(
          'the gateway’s table',
          () => node.exec(['nft', 'list', 'table', 'inet', TABLE]),
          ({ code }) => code === 0,
          WRITTEN_WITHIN_S,
        );
        await untilUnwell(scene);
        await untilBalancerHears(scene, 503);
        // That the agent is not ready is what kube-proxy has to write down, and then it misses the rest.
        await untilBalancerHears(scene, 200);
        await untilServing(mesh);
      });
    },
    recovered: notGivenBack,
  },
  {
    what: 'cluster DNS without a pod',
    through: 'userspace',
    promise: unnoticed(90),
    async inject({ mesh }) {
      const scale = (replicas: number) =>
        mesh.cluster.kubectl([...DNS, 'scale', 'deployment/coredns', `--replicas=${replicas}`]);
      await scale(0);
      return meanwhile(
        () => scale(2),
        () => untilNoneReaches(mesh),
      );
    },
    recovered: letsIn,
  },
  {
    what: 'a cluster DNS that answers after two seconds',
    through: 'userspace',
    promise: unnoticed(60),
    async inject({ mesh }) {
      const before = await sinceWhen(mesh);
      const restore = await configureDns(mesh, SLOW);
      return meanwhile(restore, async () => {
        await delay(SLOW_MS);
        const after = await sinceWhen(mesh);
        if (after.join() !== before.join()) throw new Error(`ServicesReachable was ${before}, and has become ${after}`);
      });
    },
    recovered: letsIn,
  },
];

/** CoreDNS's `erratic` answers every question by itself, delays one of as many as it is told, and is ready now and then: that it is another one says. */
const SLOW = `. {
  erratic {
    drop 0
    delay 1 2s
  }
}
.:5353 {
  health
  ready
}
`;

/**
 * Has the agents stand behind a Service of type LoadBalancer, as where a balancer sends devices to the nodes, and waits until it may send them to
 * this one; the heal takes the Service away.
 */
async function balanced(scene: Scene): Promise<Heal> {
  const set = (service: object | null) => scene.mesh.patchGateway('default', { endpoint: { service } });
  await set({ type: 'LoadBalancer' });
  return meanwhile(
    () => set(null),
    () => untilBalancerHears(scene, 200),
  );
}

/** Waits until a balancer that asks about the node gets this answer, 0 being none. */
async function untilBalancerHears({ mesh, node }: Scene, expected: number): Promise<void> {
  const from = mesh.cluster.nodes.find(({ name }) => name !== node.name) ?? node;
  await until(
    `${expected} from the health check node port of ${node.name}`,
    () => balancerHealth(mesh, node, from),
    ({ status }) => status === expected,
    HEARD_WITHIN_S,
  );
}

/** Waits until the node says that it reaches no Services, its device has been called by another node, and nobody new is sent to it. */
async function untilUnwell(scene: Scene): Promise<void> {
  const { mesh, node } = scene;
  await until(
    `${node.name} to say that it reaches no Services`,
    async () => !(await reaches(mesh, node.name)),
    Boolean,
    UNWELL_WITHIN_S,
  );
  await untilCalledAway(scene, UNWELL_WITHIN_S);
  await untilReady(scene, 'False');
}

/** Who was called by another node stays there. */
async function notGivenBack(scene: Scene): Promise<void> {
  await letsIn(scene);
  await untilCalledAway(scene, 1);
}

async function killProxy(mesh: Mesh, node: LabNode): Promise<Heal> {
  const start = await killProgram(programOf(node, 'kube-proxy'), mesh.cluster.tools.searchPath);
  return async () => {
    await start();
    await until(
      'kube-proxy',
      () => node.exec(['curl', '-sf', '--max-time', '2', 'http://127.0.0.1:10256/healthz']),
      ({ code }) => code === 0,
    );
  };
}

/** Replaces the configuration of cluster DNS, and its pods one after the other; the heal puts the former one back. */
async function configureDns({ cluster }: Mesh, corefile: string): Promise<Heal> {
  const configMap = [...DNS, 'configmap', 'coredns'];
  const before = await cluster.kubectl(['get', ...configMap, '-o', 'jsonpath={.data.Corefile}']);
  const set = async (text: string) => {
    await cluster.kubectl(['patch', ...configMap, '--type=merge', '-p', JSON.stringify({ data: { Corefile: text } })]);
    await cluster.kubectl([...DNS, 'rollout', 'restart', 'deployment/coredns']);
    await cluster.kubectl([...DNS, 'rollout', 'status', 'deployment/coredns', '--timeout=90s']);
  };
  await set(corefile);
  return () => set(before);
}

async function reaches(mesh: Mesh, node: string): Promise<boolean> {
  const { status } = await mesh.gatewayNode('default', node);
  return isTrue(status?.conditions ?? [], 'ServicesReachable');
}

/** Waits until each node says that its probe reaches no Services. */
async function untilNoneReaches(mesh: Mesh): Promise<void> {
  await until(
    'all nodes to say so',
    () => Promise.all(mesh.cluster.nodes.map(({ name }) => reaches(mesh, name))),
    (all) => !all.includes(true),
    120,
  );
}

/** What each node says of its way to Services, and since when. */
function sinceWhen(mesh: Mesh): Promise<readonly string[]> {
  return Promise.all(
    mesh.cluster.nodes.map(async ({ name }) => {
      const { status } = await mesh.gatewayNode('default', name);
      const said = findCondition(status?.conditions ?? [], 'ServicesReachable');
      return `${said?.status} on ${name} since ${said?.lastTransitionTime}`;
    }),
  );
}

/** Waits until the pod of the node's agent is ready, or is not: a load balancer sends it new devices while it is. */
async function untilReady({ mesh, node }: Scene, status: 'True' | 'False'): Promise<void> {
  const which = ['-l', 'app.kubernetes.io/component=agent', '--field-selector', `spec.nodeName=${node.name}`];
  const ready = '-o=jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}';
  await until(
    `the agent’s pod on ${node.name} to be Ready=${status}`,
    () => mesh.cluster.kubectl(['-n', RELEASE.namespace, 'get', 'pods', ...which, ready]),
    (seen) => seen === status,
    30,
  );
}
