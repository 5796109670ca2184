import { randomBytes } from 'node:crypto';
import { meshPeerType } from '../../../src/api/meshpeer.ts';
import { type Client, createClient } from '../../../src/k8s/client.ts';
import { loadConnection } from '../../../src/k8s/kubeconfig.ts';
import { createTransport, type Transport } from '../../../src/k8s/transport.ts';
import { type KeyPair, keyPairFrom } from '../../../src/net/key-pair.ts';
import { startCluster } from '../../lab/cluster.ts';
import { Mesh } from '../../lab/mesh.ts';
import type { NodeKernel } from '../../lab/node.ts';
import { Settling } from './settling.ts';

/** The gateway nodes. */
export const NODES = ['node-1', 'node-2'] as const;
export const NAMESPACE = 'demo';

/** Requests at once where many MeshPeers are made or deleted. */
const CREATORS = 32;

/** Sallyport on a lab cluster, and the API as a program of the cluster uses it: connections that stay open. */
export class BenchMesh {
  readonly mesh: Mesh;
  readonly client: Client;
  readonly transport: Transport;
  #made = 0;

  private constructor(mesh: Mesh, transport: Transport) {
    this.mesh = mesh;
    this.transport = transport;
    this.client = createClient(transport);
  }

  /** On nodes with these kernels; wireguard-go on both unless told otherwise. */
  static async start(nodes: readonly NodeKernel[] = ['shared', 'shared']): Promise<BenchMesh> {
    const cluster = await startCluster({ name: 'bench', nodes });
    try {
      const mesh = new Mesh(cluster);
      await Promise.all([mesh.install(), mesh.addWorkloads(NODES)]);
      const connection = await loadConnection({ env: process.env, path: cluster.kubeconfig });
      return new BenchMesh(mesh, createTransport(connection, { userAgent: 'bench' }));
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** MeshPeers made so far. */
  get made(): number {
    return this.#made;
  }

  /** Creates one MeshPeer, as a user's program would; resolves with the time of the API server's answer on the monotonic clock, in milliseconds. */
  async createPeer(keys: KeyPair = keyPairFrom(randomBytes(32))): Promise<number> {
    const metadata = { name: `peer-${this.#made++}`, namespace: NAMESPACE };
    await this.client.create(meshPeerType, { metadata, spec: { publicKey: keys.publicKey } });
    return Number(process.hrtime.bigint()) / 1e6;
  }

  /** Sees to it that there are at least so many MeshPeers, and that everybody is done with them. */
  async ready(count: number): Promise<void> {
    await this.createUpTo(count);
    const settling = await Settling.start(this.transport);
    try {
      await Promise.all([settling.held(count, NODES.length), settling.said(count)]);
    } finally {
      await settling.stop();
    }
  }

  /** Creates MeshPeers until there are so many, some at a time. */
  async createUpTo(count: number): Promise<void> {
    const creator = async () => {
      while (this.#made < count) await this.createPeer();
    };
    await Promise.all(Array.from({ length: CREATORS }, creator));
  }

  /** Deletes the MeshPeers made so far, some at a time. */
  async removePeers(): Promise<void> {
    const names = Array.from({ length: this.#made }, (_, index) => `peer-${index}`);
    const remover = async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop())
        await this.client.delete(meshPeerType, { name, namespace: NAMESPACE });
    };
    await Promise.all(Array.from({ length: CREATORS }, remover));
  }

  async stop(): Promise<void> {
    this.transport.close();
    await this.mesh.cluster.stop();
  }
}
