import { agentOf } from '../../lab/gateway-node.ts';
import { must, until } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';
import { letsIn } from '../devices.ts';
import { type Fault, meanwhile, type Scene } from '../fault.ts';
import { drained, drainsFor, untilCalledAway, untilServing } from '../going.ts';
import { calledAway } from '../promise.ts';

/** Until the one that is left has found out about both, has called the device, and it has come. */
const CALLED_WITHIN_S = 3;
/** Programs start, pods are made anew, and the agents' first plans are carried out, of two nodes at once. */
const BOOTED_S = 120;

/** What becomes of the mesh where all of its nodes but one go at once, of three; and of one that cannot be done without among two. */
export const MOST_NODES: readonly Fault[] = [
  {
    what: 'two of three gateway nodes without power at once',
    through: 'userspace',
    promise: calledAway(CALLED_WITHIN_S, BOOTED_S),
    async inject(scene) {
      const victims = [scene.node, anotherNode(scene)];
      await Promise.all(victims.map((node) => node.kill()));
      const heal = async () => {
        await Promise.all(victims.map((node) => node.start()));
        await untilServing(scene.mesh);
      };
      return meanwhile(heal, () => untilCalledAway(scene));
    },
    recovered: letsIn,
  },
  {
    what: 'two of three gateway nodes drained at once',
    through: 'userspace',
    promise: calledAway(1, 60),
    inject: (scene) => {
      const both = [anotherNode(scene).name, scene.node.name];
      return drained(scene, ['cordon', ...both], ['uncordon', ...both]);
    },
  },
  {
    what: 'a gateway node rebooted: its programs told to end, then without power',
    through: 'userspace',
    promise: calledAway(1, BOOTED_S),
    async inject(scene) {
      const { mesh, node } = scene;
      const asBefore = await drainsFor(mesh, '5s');
      // Which would start the agent again.
      must(await node.exec(['sh', '-c', 'kill "$(cat /run/lab/kubelet.pid)"']));
      must(await node.exec(['kill', (await agentOf(node)) ?? '']));
      await untilAgentEnded(node);
      await node.kill();
      const heal = async () => {
        await node.start();
        await asBefore();
        await untilServing(mesh);
      };
      return meanwhile(heal, () => untilCalledAway(scene));
    },
    recovered: letsIn,
  },
];

/** One that neither serves the laptop of the load nor answers it. */
function anotherNode({ mesh }: Scene): LabNode {
  return mesh.cluster.node('node-1');
}

async function untilAgentEnded(node: LabNode): Promise<void> {
  await until(
    `the end of the agent on ${node.name}`,
    () => agentOf(node),
    (agent) => agent === undefined,
  );
}
