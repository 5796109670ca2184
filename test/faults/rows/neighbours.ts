import { setTimeout as delay } from 'node:timers/promises';
import { findCondition } from '../../../src/api/conditions.ts';
import { AGENT_FOLDERS } from '../../../src/operator/agent-pod.ts';
import { agentOf } from '../../lab/gateway-node.ts';
import { type Mesh, must, RELEASE, until } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';
import { chain, table } from '../api-path.ts';
import { expectServed, letsIn, untilOnNode } from '../devices.ts';
import { type Fault, meanwhile, type Scene } from '../fault.ts';
import { putOlderCrds, takesLaterField, upgradeCrds } from '../older-crds.ts';
import { interrupted, unnoticed } from '../promise.ts';
import { withoutIdentity } from '../without-identity.ts';

const SECRET = 'sallyport-default';
const OWN = ['-n', RELEASE.namespace];
/** Kubelets bring a key within a moment when they are nudged, and within a minute and a half in any case. */
const KUBELET_S = 100;
const SHORT_S = 5;
const HOUR_S = 3_600;
/** What is refused for so long: new connections, whose first packet TCP repeats after one and three seconds. */
const REFUSED = interrupted(SHORT_S + 4, 15);

/** What becomes of the mesh where something fails that it stands on. */
export const NEIGHBOURS: readonly Fault[] = [
  {
    what: 'the key’s Secret deleted and put back',
    through: 'userspace',
    promise: unnoticed(KUBELET_S),
    async inject({ mesh }) {
      const { cluster } = mesh;
      const saved = await cluster.kubectl([...OWN, 'get', 'secret', SECRET, '-o', 'json']);
      await cluster.kubectl([...OWN, 'delete', 'secret', SECRET]);
      const restore = () => cluster.kubectl(['create', '-f', '-'], withoutIdentity(saved));
      return meanwhile(restore, () => untilKeyMissing(mesh));
    },
    recovered: letsIn,
  },
  {
    what: 'the CRDs of an older version in place, while a device comes, then upgraded',
    through: 'userspace',
    promise: unnoticed(60),
    async inject(scene) {
      const { mesh } = scene;
      await putOlderCrds(scene);
      const upgrade = () => upgradeCrds(mesh);
      return meanwhile(upgrade, async () => {
        await untilOnNode(scene, await mesh.addDevice(COMER), true);
      });
    },
    async recovered(scene) {
      await takesLaterField(scene);
      // Agents that tell more than the older CRDs know could not.
      const comer = { namespace: 'demo', name: COMER };
      await scene.mesh.untilPeer(comer, 'Programmed');
      await scene.mesh.deleteDevice(comer);
    },
  },
  silent('nothing from the node to the laptop', ({ laptop }) =>
    chain('output', 'filter', `ip daddr ${laptop.address} udp sport 51840 drop`),
  ),
  silent('nothing from the laptop to the node', ({ laptop }) =>
    chain('input', 'filter', `ip saddr ${laptop.address} udp dport 51840 drop`),
  ),
  clockMoved('ahead', HOUR_S),
  clockMoved('back', -HOUR_S),
  {
    what: `a full table of connections for ${SHORT_S} s`,
    through: 'kernel',
    promise: { ...REFUSED, packets: 0 },
    async inject({ node }) {
      refuseShared(node);
      const most = must(await node.exec(['sysctl', '-n', MOST_CONNECTIONS])).trim();
      const set = async (value: string) => must(await node.exec(['sysctl', '-qw', `${MOST_CONNECTIONS}=${value}`]));
      await set('1');
      return meanwhile(() => set(most), aMoment);
    },
  },
  {
    what: 'a full disk, while a device comes',
    through: 'kernel',
    promise: unnoticed(30),
    async inject(scene) {
      const { node } = scene;
      refuseShared(node);
      must(await node.exec(['sh', '-ec', FILL, 'fill', '/var/lib/kubelet/full']));
      const free = async () => must(await node.exec(['rm', '/var/lib/kubelet/full', '/var/lib/kubelet/full.rest']));
      return meanwhile(free, () => letsIn(scene));
    },
    recovered: letsIn,
  },
  {
    what: 'an agent’s memory for files full',
    through: 'userspace',
    promise: unnoticed(60),
    async inject({ node }) {
      // Its image has no program to do this with.
      const file = `/proc/${await agentOf(node)}/root${AGENT_FOLDERS.scratch}/full`;
      const { stderr } = await node.exec(['dd', 'if=/dev/zero', `of=${file}`, 'bs=1M']);
      if (!stderr.includes('No space left')) throw new Error(`there is room left: ${stderr}`);
      return meanwhile(async () => must(await node.exec(['rm', file])), aMoment);
    },
    recovered: letsIn,
  },
];

const COMER = 'comer-earlier';
const MOST_CONNECTIONS = 'net.netfilter.nf_conntrack_max';
/** Most of what is left is reserved, which writes nothing; then writing fails. */
const FILL = `fallocate -l "$(df --output=avail -B1 "$(dirname "$1")" | tail -n 1)" "$1" || true
if cat /dev/zero >"$1.rest"; then exit 1; fi`;

/** The way between a node and a laptop is open in the other direction only. */
function silent(what: string, drop: (scene: Scene) => string): Fault {
  return {
    what: `${what} for ${SHORT_S} s`,
    through: 'userspace',
    promise: interrupted(SHORT_S + 2, 15),
    inject: async (scene) => meanwhile(await table(scene.node, [drop(scene)]), aMoment),
  };
}

/** A node's clock is wrong while devices work and another one begins. */
function clockMoved(where: string, seconds: number): Fault {
  return {
    what: `the node’s clock an hour ${where}`,
    through: 'kernel',
    promise: unnoticed(30),
    async inject(scene) {
      const { mesh, node } = scene;
      await setClock(node, Date.now() / 1000 + seconds);
      return meanwhile(
        () => setClock(node, Date.now() / 1000),
        async () => {
          await expectServed(scene, await mesh.serviceAddress('hello-node-2'));
          await letsIn(scene);
        },
      );
    },
    recovered: letsIn,
  };
}

async function setClock(node: LabNode, epochSeconds: number): Promise<void> {
  refuseShared(node);
  must(await node.exec(['date', '-s', `@${epochSeconds.toFixed(3)}`]));
}

/** Its clock, disk and tables of connections would be those of the machine that runs the tests. */
function refuseShared({ name, kernel }: LabNode): void {
  if (kernel !== 'own') throw new Error(`${name} has no kernel of its own to do this to`);
}

/** That it lasts is what is tried. */
const aMoment = () => delay(SHORT_S * 1000);

async function untilKeyMissing(mesh: Mesh): Promise<void> {
  await until(
    'the gateway to say so',
    () => mesh.gateway(),
    ({ status }) => findCondition(status?.conditions ?? [], 'KeyApplied')?.reason === 'SecretMissing',
  );
}
