import { setTimeout as delay } from 'node:timers/promises';
import { until } from '../../lab/mesh.ts';
import { cutOffAgent, stallAgent, standBefore } from '../api-path.ts';
import { writeMuch } from '../crowd.ts';
import { expectExpired, letsIn, mortalDevice, untilOnNode } from '../devices.ts';
import { type Fault, type Heal, meanwhile, type Scene } from '../fault.ts';
import { apiServerAnswers, controlProgramOf, killApiServer, killProgram } from '../killed-program.ts';
import { unnoticed } from '../promise.ts';

/** Long enough for watches to end and to be begun again several times. */
/** A backup is older than a server needs to begin anew. */
const MINUTES_OF_WRITES = 1_000;
const STORM_MS = 12_000;
const LONG_MS = 10 * 60_000;
/** The kernel takes a silent connection for dead after 15 s and ten questions a second apart. */
const HALF_OPEN_S = 45;

/** A device that comes while an agent hears of nothing. */
const COMER = { namespace: 'demo', name: 'comer-meanwhile' };

/** What becomes of the mesh where the API server, or the way to it, fails. */
export const API_SERVER: readonly Fault[] = [
  {
    what: 'the API server killed, while a device expires',
    through: 'userspace',
    promise: unnoticed(60),
    inject: (scene) => withoutApiServer(scene, 0),
    recovered: letsIn,
  },
  {
    what: 'the API server away for ten minutes, while a device expires',
    through: 'userspace',
    promise: unnoticed(120),
    nightly: 'it takes ten minutes',
    inject: (scene) => withoutApiServer(scene, LONG_MS),
    recovered: letsIn,
  },
  {
    what: 'etcd put back to what it was before the last devices',
    through: 'userspace',
    promise: unnoticed(120),
    nightly: 'whatever runs in the cluster begins anew, which takes minutes',
    inject: restoreEtcd,
    recovered: letsIn,
  },
  {
    what: 'an agent cut off from the API server, while a device is suspended and another one comes',
    through: 'userspace',
    promise: unnoticed(60),
    async inject(scene) {
      const { mesh, node, spare } = scene;
      const restore = await cutOffAgent(mesh.cluster, node);
      await mesh.patchDevice(spare.device, { suspended: true });
      await mesh.addDevice(COMER.name);
      return meanwhile(restore, () => mesh.untilPeer(COMER, 'Accepted'));
    },
    async recovered(scene) {
      const { mesh, spare } = scene;
      await untilOnNode(scene, spare.device, false);
      await mesh.untilPeer(COMER, 'Programmed');
      await mesh.deleteDevice(COMER);
      await mesh.patchDevice(spare.device, { suspended: null });
    },
  },
  {
    what: `half-open connections to the API server: a device is suspended, and out within ${HALF_OPEN_S} s`,
    through: 'userspace',
    nightly: 'half a minute passes until they are noticed',
    promise: unnoticed(30),
    async inject(scene) {
      const { mesh, node, spare } = scene;
      const remove = await stallAgent(mesh.cluster, node);
      await mesh.patchDevice(spare.device, { suspended: true });
      const restore = async () => {
        await remove();
        await mesh.patchDevice(spare.device, { suspended: null });
      };
      return meanwhile(restore, () => untilOnNode(scene, spare.device, false, HALF_OPEN_S));
    },
  },
  {
    what: 'an API server that answers after five seconds',
    through: 'userspace',
    promise: unnoticed(60),
    async inject(scene) {
      const { mesh, spare } = scene;
      const restore = await standBefore(mesh.cluster, 'slow');
      await mesh.patchDevice(spare.device, { suspended: true });
      const heal = async () => {
        await mesh.patchDevice(spare.device, { suspended: null });
        await restore();
      };
      return meanwhile(heal, () => untilOnNode(scene, spare.device, false));
    },
    recovered: letsIn,
  },
  {
    what: 'an API server that refuses everything with 429',
    through: 'userspace',
    promise: unnoticed(60),
    inject: async ({ mesh }) => meanwhile(await standBefore(mesh.cluster, 'busy'), () => delay(STORM_MS)),
    recovered: letsIn,
  },
  {
    what: 'an API server that forgets every version that it told (410)',
    through: 'userspace',
    promise: unnoticed(60),
    // Who comes meanwhile waits for the next list, which comes the more rarely the longer it lasts.
    inject: async (scene) => meanwhile(await standBefore(scene.mesh.cluster, 'gone'), () => delay(STORM_MS)),
    recovered: letsIn,
  },
];

async function withoutApiServer(scene: Scene, lastsMs: number): Promise<Heal> {
  const { mesh } = scene;
  const { device, expiry } = await mortalDevice(scene);
  const start = await killApiServer(mesh.cluster);
  const heal = async () => {
    await start();
    await mesh.deleteDevice(device);
  };
  return meanwhile(heal, async () => {
    await expectExpired(scene, device, expiry);
    await delay(lastsMs);
  });
}

/** A copy of etcd's folder, as a backup is; a device comes, and much else is written; then the copy takes the folder's place. */
async function restoreEtcd(scene: Scene): Promise<undefined> {
  const { mesh } = scene;
  const { cluster } = mesh;
  const etcd = controlProgramOf(cluster, 'etcd');
  const folder = `${cluster.sandbox.pids}/etcd`;
  const shell = (script: string) => etcd.exec(['sh', '-ec', script, 'etcd', folder]);
  const startEtcd = await killProgram(etcd, cluster.tools.searchPath);
  await shell('cp -a "$1" "$1.before"');
  await startEtcd();
  await apiServerAnswers(cluster);
  const forgotten = await until('a device', () => mesh.addDevice('forgotten'), Boolean);
  await mesh.untilPeer(forgotten, 'Programmed');
  await writeMuch(scene, MINUTES_OF_WRITES);
  const startApiServer = await killApiServer(cluster);
  const startAgain = await killProgram(etcd, cluster.tools.searchPath);
  await shell('rm -rf "$1" && mv "$1.before" "$1"');
  await startAgain();
  await startApiServer();
  await untilOnNode(scene, forgotten, false, 120);
  return undefined;
}
