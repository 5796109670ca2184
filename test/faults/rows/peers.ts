import { randomBytes } from 'node:crypto';
import { inProject } from '../../../scripts/support/paths.ts';
import { meshPeerType } from '../../../src/api/meshpeer.ts';
import { createClient } from '../../../src/k8s/client.ts';
import { loadConnection } from '../../../src/k8s/kubeconfig.ts';
import { resourcePath } from '../../../src/k8s/resource-path.ts';
import { createTransport, type Transport } from '../../../src/k8s/transport.ts';
import { keyPairFrom } from '../../../src/net/key-pair.ts';
import { loosenRules, restoreRules } from '../../lab/adversity.ts';
import { peersOn } from '../../lab/gateway-node.ts';
import { type Mesh, must, until } from '../../lab/mesh.ts';
import { letsIn } from '../devices.ts';
import { type Fault, meanwhile, type Scene } from '../fault.ts';
import { unnoticed } from '../promise.ts';

const MANY = 100;
const FLOOD = 10_000;
const STRANGERS_MS = 8_000;
/** Of the underlay, and nobody else's (../../lab/addresses.ts). */
const SOURCES = Array.from({ length: 32 }, (_, at) => `172.30.0.${150 + at}`);
const CROWD = 'crowd';
const NAMESPACE = 'demo';

/** What becomes of a device where others are many, come, go or make no sense. */
export const PEERS_FAULTS: readonly Fault[] = [
  {
    what: `one MeshPeer that nobody can read among ${MANY} others`,
    through: 'userspace',
    promise: unnoticed(60),
    async inject(scene) {
      const { mesh } = scene;
      await comeAll(scene);
      await loosenRules(mesh.cluster);
      await until('loose rules', () => mesh.addDevice('unreadable', { persistentKeepalive: 'often' }), Boolean);
      await restoreRules(mesh.cluster);
      await letsIn(scene);
      return async () => {
        await mesh.deleteDevice({ namespace: NAMESPACE, name: 'unreadable' });
        await goAll(mesh);
      };
    },
  },
  {
    what: `${MANY} MeshPeers deleted at once`,
    through: 'userspace',
    nightly: 'kubectl takes half a minute',
    promise: unnoticed(60),
    async inject(scene) {
      await comeAll(scene);
      await goAll(scene.mesh);
      return undefined;
    },
    recovered: letsIn,
  },
  {
    what: `a device that sends ${FLOOD} datagrams as fast as it can, each of which is a connection`,
    through: 'userspace',
    promise: unnoticed(30),
    async inject({ mesh, node, spare: { laptop, device } }) {
      await mesh.join(laptop, device, node.address);
      const service = await mesh.serviceAddress('hello-node-2');
      const floods = program('flood.ts', service, '80', String(FLOOD), 'each');
      return meanwhile(
        () => mesh.leave(laptop),
        async () => must(await laptop.exec(floods)),
      );
    },
  },
  {
    what: `strangers who begin handshakes as fast as they can for ${STRANGERS_MS / 1000} s`,
    through: 'userspace',
    promise: unnoticed(30),
    async inject({ mesh, node, spare: { laptop } }) {
      const address = (act: string) => SOURCES.map((source) => `address ${act} ${source}/24 dev eth0`).join('\n');
      must(await laptop.exec(['ip', '-batch', '-'], { input: address('add') }));
      const { publicKey = '' } = (await mesh.gateway()).status ?? {};
      const words = [node.address, '51840', publicKey, String(STRANGERS_MS), ...SOURCES];
      must(await laptop.exec(program('handshakes.ts', ...words)));
      return async () => must(await laptop.exec(['ip', '-batch', '-'], { input: address('delete') }));
    },
  },
];

/** A program of the netns ring, as a laptop runs it. */
function program(file: string, ...words: readonly string[]): readonly string[] {
  return [process.execPath, inProject(`test/netns/programs/${file}`), ...words];
}

/** Makes many devices, and waits until the node has them all. */
async function comeAll({ mesh, node }: Scene): Promise<void> {
  const before = (await peersOn(node)).length;
  await asked(mesh, async (transport) => {
    const client = createClient(transport);
    await Promise.all(
      Array.from({ length: MANY }, (_, at) => {
        const metadata = { namespace: NAMESPACE, name: `${CROWD}-${at}`, labels: { lab: CROWD } };
        return client.create(meshPeerType, { metadata, spec: { publicKey: keyPairFrom(randomBytes(32)).publicKey } });
      }),
    );
  });
  await until(
    `${MANY} more peers on ${node.name}`,
    () => peersOn(node),
    (peers) => peers.length >= before + MANY,
    90,
  );
}

/** Deletes them by one request. */
function goAll(mesh: Mesh): Promise<void> {
  const path = resourcePath(meshPeerType, { namespace: NAMESPACE });
  const query = { labelSelector: `lab=${CROWD}` };
  return asked(mesh, async (transport) => void (await transport.request({ method: 'DELETE', path, query })));
}

/** kubectl asks for one object after the other. */
async function asked({ cluster }: Mesh, act: (transport: Transport) => Promise<void>): Promise<void> {
  const connection = await loadConnection({ env: process.env, path: cluster.kubeconfig });
  const transport = createTransport(connection, { userAgent: 'lab' });
  try {
    await act(transport);
  } finally {
    transport.close();
  }
}
