import { agentOf } from '../../lab/gateway-node.ts';
import { must, until } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';
import { letsIn, untilTold } from '../devices.ts';
import { type Fault, meanwhile } from '../fault.ts';
import { drained, drainsFor, untilCalledAway, untilServing } from '../going.ts';
import { calledAway, letGo } from '../promise.ts';

/** Until those that are left have found out about all, one of them has called the device, and it has come. */
const CALLED_WITHIN_S = 3;
/** On the way from one node to another, and where what the former still had to send has drawn the device back, until it is called again. */
const ON_THE_WAY = 1_000;
/** Programs start, pods are made anew, and the agents' first plans are carried out, of several nodes at once. */
const BOOTED_S = 120;

/** What becomes of the mesh where several of its nodes go at once, of four, up to all but one; and of one that is rebooted. */
export const MOST_NODES: readonly Fault[] = [
  { ...withoutPower('two of four', ['node-1']), nightly: 'three of four are harder to do without' },
  withoutPower('three of four', ['node-1', 'node-3']),
  {
    what: 'three of four gateway nodes drained at once',
    through: 'userspace',
    promise: letGo(ON_THE_WAY, 60),
    inject: (scene) => {
      const all = ['node-1', scene.node.name, 'node-3'];
      return drained(scene, ['cordon', ...all], ['uncordon', ...all]);
    },
  },
  {
    what: 'a gateway node rebooted: its programs told to end, then without power',
    through: 'userspace',
    promise: letGo(ON_THE_WAY, BOOTED_S),
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

/** The load's node and these others fail at once; another device was served by the first of these. The pod that answers is on a node that stays. */
function withoutPower(some: string, others: readonly [string, ...string[]]): Fault {
  return {
    what: `${some} gateway nodes without power at once`,
    through: 'userspace',
    promise: calledAway(CALLED_WITHIN_S, BOOTED_S),
    async inject(scene) {
      const { mesh, spare } = scene;
      const nodes = others.map((name) => mesh.cluster.node(name));
      const second = { ...scene, ...spare, node: mesh.cluster.node(others[0]) };
      await mesh.join(spare.laptop, spare.device, second.node.address);
      await untilTold(second);
      const victims = [scene.node, ...nodes];
      await Promise.all(victims.map((node) => node.kill()));
      const heal = async () => {
        await mesh.leave(spare.laptop);
        await Promise.all(victims.map((node) => node.start()));
        await untilServing(mesh);
      };
      return meanwhile(heal, () => Promise.all([scene, second].map((one) => untilCalledAway(one))));
    },
    recovered: letsIn,
  };
}

async function untilAgentEnded(node: LabNode): Promise<void> {
  await until(
    `the end of the agent on ${node.name}`,
    () => agentOf(node),
    (agent) => agent === undefined,
  );
}
