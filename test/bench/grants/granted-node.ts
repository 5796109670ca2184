import { GrantedAccess } from '../../../src/agent/granted-access.ts';
import { NodeSync } from '../../../src/agent/node-sync.ts';
import type { ClusterMeshAccess } from '../../../src/api/clustermeshaccess.ts';
import type { MeshAccess } from '../../../src/api/meshaccess.ts';
import type { MeshGateway } from '../../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../../src/api/meshpeer.ts';
import { type KubernetesObject, keyOf } from '../../../src/api/resource.ts';
import type { NodePlan } from '../../../src/dataplane/node-plan.ts';
import type { Operation } from '../../../src/dataplane/operation.ts';
import { Cache } from '../../../src/k8s/store.ts';
import { accessGateway } from '../../../src/mesh/access/world.ts';
import { planNode } from '../../../src/mesh/node.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { TestNode } from '../../netns/mesh.ts';
import { aKey, aServedGateway } from '../../support/builders.ts';
import type { ManyGrants } from '../../support/many-grants.ts';
import { PLAN_NAMES } from '../../support/node-plans.ts';

/** A node in a namespace, brought by the agent's own loop to where these grants want it, and followed by the kernel's monitors. */
export class GrantedNode {
  readonly node: TestNode;
  readonly accesses: Cache<MeshAccess>;
  /** What the monitors reported since the node was where it should be. */
  readonly heard: string[] = [];
  readonly #access: GrantedAccess;
  readonly #sync: NodeSync;
  readonly #ending = new AbortController();
  #firstStep: number | undefined;

  private constructor(node: TestNode, many: ManyGrants) {
    this.node = node;
    this.accesses = cached(many.accesses);
    const stores = {
      accesses: this.accesses,
      clusterAccesses: cached<ClusterMeshAccess>([]),
      services: cached(many.services),
      namespaces: cached(many.namespaces),
    };
    this.#access = new GrantedAccess(
      () => stores,
      () => this.#sync.grantsChanged(),
    );
    const spec = { access: { default: 'Deny' as const } };
    this.#sync = new NodeSync({
      access: this.#access,
      gateway: 'default',
      gateways: cached<MeshGateway>([aServedGateway({ spec, status: { publicKey: node.keys.publicKey } })]),
      peers: cached<MeshPeer>([]),
      host: node.host,
      clock: systemClock,
      probeKey: aKey('probe'),
      onOperation: () => {
        this.#firstStep ??= performance.now();
      },
    });
    for (const peer of many.peers) this.#sync.takePeer({ key: keyOf(peer.metadata), after: peer });
  }

  static async start(many: ManyGrants): Promise<GrantedNode> {
    const node = await TestNode.create();
    const granted = new GrantedNode(node, many);
    try {
      await granted.#sync.syncAll();
      node.host.watchDrift(PLAN_NAMES, granted.#ending.signal, (what) => granted.heard.push(what));
      return granted;
    } catch (error) {
      await granted.stop();
      throw error;
    }
  }

  /** What is wanted now. */
  readonly plan = (): NodePlan => {
    const { facts, table } = this.#sync;
    const topology = this.#sync.topology();
    if (facts === undefined || topology === undefined) throw new Error('the node is not where it should be');
    const granted = this.#access.granted(accessGateway(topology), table, systemClock.now());
    return planNode(topology, { facts, peers: table.wanted, granted });
  };

  /** Changes an object and carries it out; how long that took, and until the first step, in milliseconds. */
  async during(
    change: () => void,
  ): Promise<{ readonly ms: number; readonly planned: number; readonly operations: readonly Operation[] }> {
    this.#firstStep = undefined;
    const began = performance.now();
    change();
    const { operations } = await this.#sync.syncTouched();
    const ms = performance.now() - began;
    return { ms, planned: (this.#firstStep ?? began) - began, operations };
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.node.dispose();
  }
}

function cached<T extends KubernetesObject>(objects: readonly T[]): Cache<T> {
  const cache = new Cache<T>((key, error) => {
    throw new Error(`a subscriber to ${key}`, { cause: error });
  });
  cache.replace(new Map(objects.map((object) => [keyOf(object.metadata), object])), '100');
  return cache;
}
