import { agentOf } from '../../lab/gateway-node.ts';
import { type Mesh, must, RELEASE, until } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';
import { leader, leaderName, OPERATOR, operatorOf } from '../../lab/operators.ts';
import { cutOffPod } from '../api-path.ts';
import { letsIn } from '../devices.ts';
import { type Fault, meanwhile, type Through } from '../fault.ts';
import { calledAway, unnoticed } from '../promise.ts';

const OPERATORS = ['pgrep', '-xf', 'node /app/operator.mjs run'];
const STRANGER = 'a-stranger';
const PLACE = ['-n', RELEASE.namespace];
/** When wireguard-go ends with its agent, another node calls its devices. */
const CALLED_WITHIN_S = 3;
/** A kubelet starts what ended again at once, then after 10 s, then after 20 s. */
const CRASHES = 3;

/** What becomes of the mesh where a program of ours ends, hangs or is starved. */
export const PROGRAMS_OF_OURS: readonly Fault[] = [
  {
    what: 'the leading operator killed',
    through: 'userspace',
    promise: unnoticed(30),
    async inject({ mesh }) {
      const pod = await leader(mesh);
      must(await pod.node.exec(['kill', '-KILL', await operatorOf(pod)]));
      return undefined;
    },
    recovered: letsIn,
  },
  {
    what: 'both operators killed',
    through: 'userspace',
    nightly: 'it takes as long as a Lease',
    promise: unnoticed(60),
    async inject({ mesh }) {
      for (const node of mesh.cluster.nodes) {
        const found = (await node.exec(OPERATORS)).stdout.trim().split('\n');
        must(await node.exec(['kill', '-KILL', ...found]));
      }
      return undefined;
    },
    recovered: letsIn,
  },
  {
    what: 'the leading operator cut off from the API server',
    through: 'userspace',
    promise: unnoticed(40),
    async inject({ mesh }) {
      const pod = await leader(mesh);
      const restore = await cutOffPod(mesh.cluster, pod.node, pod.address);
      return meanwhile(restore, () => anotherLeads(mesh, pod.pod));
    },
    recovered: letsIn,
  },
  {
    what: 'the operator’s Lease taken by a stranger',
    through: 'userspace',
    nightly: 'it takes as long as a Lease',
    promise: unnoticed(40),
    async inject({ mesh }) {
      await stealLease(mesh);
      return undefined;
    },
    async recovered(scene) {
      await anotherLeads(scene.mesh, STRANGER);
      await letsIn(scene);
    },
  },
  agentKilled('kernel'),
  agentKilled('userspace'),
  {
    what: `an agent that crashes ${CRASHES} times`,
    through: 'kernel',
    nightly: 'kubelets wait longer before each start',
    promise: unnoticed(30),
    async inject({ mesh, node }) {
      for (let crash = 0; crash < CRASHES; crash += 1) await killAgent(node);
      // What a person does who does not want to wait for the kubelet, which by now waits 40 s.
      return () => replaceAgent(mesh, node);
    },
    recovered: letsIn,
  },
  {
    what: 'an agent at its limit of memory, which the kernel kills',
    through: 'kernel',
    nightly: 'a guest fills its memory slowly',
    promise: unnoticed(30),
    async inject({ node }) {
      const agent = await anAgent(node);
      const group = must(await node.exec(['sed', 's/^0:://', `/proc/${agent}/cgroup`])).trim();
      // The kernel first takes back what it can, then kills; whoever writes the limit waits for that.
      await node.exec(['sh', '-c', 'echo 1M >"$1"', 'limit', `/sys/fs/cgroup${group}/memory.max`]);
      await anotherAgent(node, agent);
      return undefined;
    },
    recovered: letsIn,
  },
];

function agentKilled(through: Through): Fault {
  return {
    what: 'an agent killed',
    through,
    promise: through === 'kernel' ? unnoticed(30) : calledAway(CALLED_WITHIN_S, 40),
    async inject({ node }) {
      await killAgent(node);
      return undefined;
    },
    recovered: letsIn,
  };
}

/** Kills the agent of a node once there is one. */
async function killAgent(node: LabNode): Promise<void> {
  must(await node.exec(['kill', '-KILL', await anAgent(node)]));
}

function anAgent(node: LabNode): Promise<string> {
  return until('an agent', async () => (await agentOf(node)) ?? '', Boolean, 90);
}

async function anotherAgent(node: LabNode, before: string): Promise<void> {
  await until(
    'another agent',
    () => agentOf(node),
    (agent) => agent !== undefined && agent !== before,
  );
}

async function replaceAgent({ cluster }: Mesh, node: LabNode): Promise<void> {
  const which = ['-l', 'app.kubernetes.io/component=agent', '--field-selector', `spec.nodeName=${node.name}`];
  await cluster.kubectl([...PLACE, 'delete', 'pod', ...which]);
  await cluster.kubectl([...PLACE, 'rollout', 'status', 'daemonset/sallyport-default', '--timeout=90s']);
}

async function anotherLeads(mesh: Mesh, before: string): Promise<void> {
  await until(
    'another leader',
    () => leaderName(mesh),
    (name) => name !== before && name !== '',
  );
}

async function stealLease({ cluster }: Mesh): Promise<void> {
  const now = new Date().toISOString().replace('Z', '000Z');
  const spec = { holderIdentity: STRANGER, acquireTime: now, renewTime: now, leaseDurationSeconds: 15 };
  const patch = JSON.stringify({ spec });
  await cluster.kubectl([...PLACE, 'patch', 'lease', OPERATOR, '--type=merge', '-p', patch]);
}
