import { setTimeout as delay } from 'node:timers/promises';
import { type Mesh, must, RELEASE, until } from '../../lab/mesh.ts';
import { letsIn } from '../devices.ts';
import { type Fault, NODES, type Scene } from '../fault.ts';
import { calledAway, unnoticed } from '../promise.ts';

/** Until others have found out, have called the device, and it has come. */
const CALLED_WITHIN_S = 3;
const SHORT_S = 8;
/** A guest boots, and its agent's first plan is carried out. */
const BOOTED_S = 150;

/** What becomes of the mesh where nodes go, or are about to. The Service's pod is on the other node. */
export const NODES_THAT_GO: readonly Fault[] = [
  {
    what: 'a gateway node drained: cordoned, and nothing of a device may stay open there',
    through: 'kernel',
    promise: calledAway(1, 60),
    async inject(scene) {
      const { mesh, node } = scene;
      await mesh.patchGateway('default', { takeover: { drain: '0s' } });
      await mesh.cluster.kubectl(['cordon', node.name]);
      await untilCalledAway(scene);
      return async () => {
        await mesh.cluster.kubectl(['uncordon', node.name]);
        await mesh.patchGateway('default', { takeover: { drain: '60s' } });
      };
    },
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
    promise: calledAway(CALLED_WITHIN_S, 120),
    inject: ({ mesh }) => rolled(mesh),
  },
];

async function rolled(mesh: Mesh): Promise<undefined> {
  await mesh.cluster.kubectl(['-n', RELEASE.namespace, 'rollout', 'restart', 'daemonset/sallyport-default']);
  await mesh.untilRolled();
}

/** Until the laptop dials the other node. */
async function untilCalledAway({ mesh, laptop, node }: Scene): Promise<void> {
  const other = mesh.cluster.nodes.find(
    ({ name }) => name !== node.name && Object.values<string>(NODES).includes(name),
  );
  await until(
    'the laptop to go to another node',
    async () => must(await laptop.exec(['wg', 'show', 'mesh', 'endpoints'])),
    (shown) => other !== undefined && shown.includes(`\t${other.address}:`),
  );
}

async function untilServing(mesh: Mesh): Promise<void> {
  await until(
    'all nodes of the gateway to serve',
    () => mesh.gateway(),
    ({ status }) => status?.nodes?.ready === status?.nodes?.selected,
    180,
  );
}
