import { setTimeout as delay } from 'node:timers/promises';
import { agentOf } from '../../lab/gateway-node.ts';
import { type Mesh, must, RELEASE, until } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';
import { chain, table } from '../api-path.ts';
import { letsIn } from '../devices.ts';
import { type Fault, type Heal, meanwhile } from '../fault.ts';
import { drained, drainsFor, untilCalledAway, untilServing } from '../going.ts';
import { calledAway, letGo, unnoticed } from '../promise.ts';
import { withoutIdentity } from '../without-identity.ts';

/** Until others have found out, have called the device, and it has come. */
const CALLED_WITHIN_S = 3;
const SHORT_S = 8;
/** A guest boots, and its agent's first plan is carried out. */
const BOOTED_S = 150;
/** On the way from one node to the other, and where what the former still had to send has drawn the device back, until it is called again. */
const ON_THE_WAY = 1_000;
/** The same, where wireguard-go ends with its pod. */
const ROLLED = 2_000;
/** Pods of a Node that is gone are deleted after 40 s, for which is looked every 20 s. */
const COLLECTED_S = 90;

/** What becomes of the mesh where nodes go, or are about to. The Service's pod is on the other node. */
export const NODES_THAT_GO: readonly Fault[] = [
  {
    what: 'a gateway node drained: cordoned, and nothing of a device may stay open there',
    through: 'kernel',
    promise: letGo(ON_THE_WAY, 60),
    inject: (scene) => drained(scene, ['cordon', scene.node.name], ['uncordon', scene.node.name]),
  },
  tainted('a gateway node that Cluster Autoscaler is about to take away', 'ToBeDeletedByClusterAutoscaler'),
  tainted('a gateway node with a notice of interruption', 'aws-node-termination-handler/spot-itn'),
  {
    what: 'the Node object of a gateway node deleted, while the machine goes on',
    through: 'kernel',
    nightly: 'its pods are deleted a minute later',
    promise: letGo(ON_THE_WAY, BOOTED_S),
    async inject(scene) {
      const { mesh, node } = scene;
      const saved = await mesh.cluster.kubectl(['get', 'node', node.name, '-o', 'json']);
      const asBefore = await drainsFor(mesh, '0s');
      await mesh.cluster.kubectl(['delete', 'node', node.name, '--wait=false']);
      const heal = async () => {
        await mesh.cluster.kubectl(['create', '-f', '-'], withoutIdentity(saved));
        await asBefore();
        await untilServing(mesh);
      };
      return meanwhile(heal, async () => {
        await untilCalledAway(scene);
        await untilAgentEnded(node);
      });
    },
    recovered: letsIn,
  },
  {
    what: `the gateway nodes cut off from each other, and not from the API server, for ${SHORT_S} s`,
    through: 'userspace',
    promise: unnoticed(60),
    async inject({ mesh, node }) {
      const others = mesh.cluster.nodes.filter(({ name }) => name !== node.name).map(({ address }) => address);
      const drop = (end: string) => `ip ${end} { ${others.join(', ')} } udp dport { 51840, 51841 } drop`;
      const chains = [chain('prerouting', 'filter', drop('saddr')), chain('output', 'filter', drop('daddr'))];
      return meanwhile(await table(node, chains), () => delay(SHORT_S * 1_000));
    },
    recovered: letsIn,
  },
  {
    what: `a gateway node cut off from everybody for ${SHORT_S} s`,
    through: 'kernel',
    promise: calledAway(CALLED_WITHIN_S, 60),
    async inject({ mesh, node }) {
      const drop = (hook: string, name: string) =>
        `chain ${hook} {\ntype filter hook ${hook} priority -450;\n${name} != "lo" drop\n}\n`;
      const ruleset = `table inet hole {\n${drop('prerouting', 'iifname')}${drop('postrouting', 'oifname')}}\n`;
      must(await node.exec(['nft', '-f', '-'], { input: ruleset }));
      await delay(SHORT_S * 1_000);
      return async () => {
        must(await node.exec(['nft', 'delete', 'table', 'inet', 'hole']));
        await untilServing(mesh);
      };
    },
    recovered: letsIn,
  },
  {
    what: 'a gateway node without power',
    through: 'kernel',
    nightly: 'a guest boots slowly',
    promise: calledAway(CALLED_WITHIN_S, BOOTED_S),
    async inject(scene) {
      await scene.node.kill();
      await untilCalledAway(scene);
      return async () => {
        await scene.node.start();
        await untilServing(scene.mesh);
      };
    },
    recovered: letsIn,
  },
  {
    what: 'the agents’ DaemonSet rolled',
    through: 'kernel',
    nightly: 'a guest starts programs slowly',
    promise: unnoticed(120),
    inject: ({ mesh }) => rolled(mesh),
  },
  {
    what: 'the agents’ DaemonSet rolled',
    through: 'userspace',
    promise: letGo(ROLLED, 120),
    inject: ({ mesh }) => rolled(mesh),
  },
];

async function rolled(mesh: Mesh): Promise<Heal> {
  const asBefore = await drainsFor(mesh, '5s');
  return meanwhile(asBefore, async () => {
    await mesh.cluster.kubectl(['-n', RELEASE.namespace, 'rollout', 'restart', 'daemonset/sallyport-default']);
    await mesh.untilRolled();
  });
}

/** Something is going to take the node away, and says so by a taint, as it does before it drains it. */
function tainted(what: string, key: string): Fault {
  return {
    what,
    through: 'userspace',
    promise: letGo(ON_THE_WAY, 60),
    inject: (scene) => {
      const taint = ['taint', 'node', scene.node.name];
      return drained(scene, [...taint, `${key}=now:NoSchedule`], [...taint, `${key}-`]);
    },
  };
}

/** Pods of a Node that is gone are deleted by force, and with them the right to ask the API server: the data plane stays as it is. */
async function untilAgentEnded(node: LabNode): Promise<void> {
  await until(
    `the end of the agent on ${node.name}`,
    () => agentOf(node),
    (agent) => agent === undefined,
    COLLECTED_S,
  );
}
