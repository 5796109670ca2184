import { randomBytes } from 'node:crypto';
import { API_VERSION } from '../../../src/api/names.ts';
import { keyPairFrom } from '../../../src/net/key-pair.ts';
import { loosenRules, restoreRules } from '../../lab/adversity.ts';
import { peersOn } from '../../lab/gateway-node.ts';
import { until } from '../../lab/mesh.ts';
import { letsIn } from '../devices.ts';
import type { Fault, Scene } from '../fault.ts';
import { unnoticed } from '../promise.ts';

const MANY = 200;
const CROWD = 'crowd';
const PEERS = 'meshpeers.sallyport.dev';
const OF_CROWD = ['-n', 'demo', 'delete', PEERS, '-l', `lab=${CROWD}`, '--wait=false'];

/** What becomes of a device where others are many, come, go or make no sense. */
export const PEERS_FAULTS: readonly Fault[] = [
  {
    what: `one MeshPeer that nobody can read among ${MANY} others`,
    through: 'kernel',
    promise: unnoticed(60),
    async inject(scene) {
      const { mesh } = scene;
      await comeAll(scene);
      await loosenRules(mesh.cluster);
      await until('loose rules', () => mesh.addDevice('unreadable', { persistentKeepalive: 'often' }), Boolean);
      await restoreRules(mesh.cluster);
      await letsIn(scene);
      return async () => {
        await mesh.deleteDevice({ namespace: 'demo', name: 'unreadable' });
        await mesh.cluster.kubectl(OF_CROWD);
      };
    },
  },
  {
    what: `${MANY} MeshPeers deleted at once`,
    through: 'kernel',
    promise: unnoticed(60),
    async inject(scene) {
      await comeAll(scene);
      await scene.mesh.cluster.kubectl(OF_CROWD);
      return undefined;
    },
    recovered: letsIn,
  },
];

/** Makes many devices, and waits until the node has them all. */
async function comeAll({ mesh, node }: Scene): Promise<void> {
  const before = (await peersOn(node)).length;
  await mesh.cluster.kubectl(['create', '-f', '-'], crowdOf(MANY));
  await until(
    `${MANY} more peers on ${node.name}`,
    () => peersOn(node),
    (peers) => peers.length >= before + MANY,
    90,
  );
}

function crowdOf(count: number): string {
  const items = Array.from({ length: count }, (_, at) => ({
    apiVersion: API_VERSION,
    kind: 'MeshPeer',
    metadata: { namespace: 'demo', name: `${CROWD}-${at}`, labels: { lab: CROWD } },
    spec: { publicKey: keyPairFrom(randomBytes(32)).publicKey },
  }));
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
}
