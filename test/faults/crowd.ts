import { randomBytes } from 'node:crypto';
import { configMapType } from '../../src/api/core.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import { createClient } from '../../src/k8s/client.ts';
import { loadConnection } from '../../src/k8s/kubeconfig.ts';
import { resourcePath } from '../../src/k8s/resource-path.ts';
import { createTransport, type Transport } from '../../src/k8s/transport.ts';
import { keyPairFrom } from '../../src/net/key-pair.ts';
import { peersOn } from '../lab/gateway-node.ts';
import { type Mesh, until } from '../lab/mesh.ts';
import type { Scene } from './fault.ts';

const CROWD = 'crowd';
const NAMESPACE = 'demo';
/** Requests at a time. */
const CREATORS = 32;
/** At least, from the first one made to the last one on a node that is busy otherwise, a second. */
const COME_PER_SECOND = 15;
/** The API server deletes one after the other, within one request or, where that takes a minute, the next. */
const DELETING_MS = 90_000;

/** Makes so many devices, and waits until the node has them all. */
export async function comeAll({ mesh, node }: Scene, many: number): Promise<void> {
  const before = (await peersOn(node)).length;
  const names = Array.from({ length: many }, (_, at) => `${CROWD}-${at}`).values();
  await asked(mesh, async (transport) => {
    const client = createClient(transport);
    const create = async () => {
      for (const name of names) {
        const metadata = { namespace: NAMESPACE, name, labels: { lab: CROWD } };
        await client.create(meshPeerType, { metadata, spec: { publicKey: keyPairFrom(randomBytes(32)).publicKey } });
      }
    };
    await Promise.all(Array.from({ length: CREATORS }, create));
  });
  await until(
    `${many} more peers on ${node.name}`,
    () => peersOn(node),
    (peers) => peers.length >= before + many,
    60 + many / COME_PER_SECOND,
  );
}

/** Deletes them all by as few requests as the API server lets it be. */
export async function goAll({ mesh }: Scene): Promise<void> {
  const path = resourcePath(meshPeerType, { namespace: NAMESPACE });
  const query = { labelSelector: `lab=${CROWD}` };
  await asked(mesh, async (transport) => {
    await until(
      'the end of all of them',
      () => transport.request({ method: 'DELETE', path, query, timeoutMs: DELETING_MS }),
      () => true,
      15 * 60,
    );
  });
}

/** So many writes that concern nobody, as a cluster makes in minutes. */
export async function writeMuch({ mesh }: Scene, many: number): Promise<void> {
  const metadata = { namespace: NAMESPACE, name: 'written-much' };
  await asked(mesh, async (transport) => {
    const client = createClient(transport);
    for (let one = 0; one < many; one += 1)
      await client.apply(configMapType, { metadata, data: { one: `${one}` } }, { fieldManager: 'lab' });
    await client.delete(configMapType, metadata);
  });
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
