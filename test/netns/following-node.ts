import { setImmediate } from 'node:timers/promises';
import { GrantedAccess } from '../../src/agent/granted-access.ts';
import { NodeSync } from '../../src/agent/node-sync.ts';
import type { ClusterMeshAccess } from '../../src/api/clustermeshaccess.ts';
import type { Namespace, Service } from '../../src/api/core.ts';
import type { MeshAccess } from '../../src/api/meshaccess.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { type KubernetesObject, keyOf } from '../../src/api/resource.ts';
import type { Host } from '../../src/host/host.ts';
import { Cache } from '../../src/k8s/store.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { aKey } from '../support/builders.ts';

export interface FollowedObjects {
  readonly gateway: MeshGateway;
  readonly peers: readonly MeshPeer[];
  readonly services: readonly Service[];
  readonly namespaces: readonly Namespace[];
}

/** Every so many turns the node is looked at whole, as when somebody else has touched it. */
const WHOLE_EVERY = 7;
/** And its peers, as for their handshakes. */
const PEERS_EVERY = 3;

/**
 * A node that one agent keeps, and takes every change at the moment it is made: in the middle of a turn or of a step, as changes come
 * from an API server. One turn after the other, until nothing is touched.
 */
export class FollowingNode {
  readonly peers: Cache<MeshPeer>;
  readonly accesses: Cache<MeshAccess>;
  readonly #sync: NodeSync;
  #turns = 0;
  #turning: Promise<void> = Promise.resolve();
  #isTurning = false;
  #steps = 0;
  #moment = Promise.withResolvers<void>();

  constructor(objects: FollowedObjects, host: Host) {
    this.peers = cacheOf(objects.peers);
    this.accesses = cacheOf<MeshAccess>([]);
    const stores = {
      accesses: this.accesses,
      clusterAccesses: cacheOf<ClusterMeshAccess>([]),
      services: cacheOf(objects.services),
      namespaces: cacheOf(objects.namespaces),
    };
    const access = new GrantedAccess(
      () => stores,
      () => {
        this.#sync.grantsChanged();
        this.#turn();
      },
    );
    this.#sync = new NodeSync({
      gateway: objects.gateway.metadata.name,
      gateways: cacheOf([objects.gateway]),
      peers: this.peers,
      host: {
        ...host,
        apply: (step) => this.#watched(() => host.apply(step)),
        observeFlows: (sources) => this.#watched(() => host.observeFlows(sources)),
      },
      clock: systemClock,
      probeKey: aKey('probe'),
      access,
      onOperation: () => undefined,
    });
    for (const peer of objects.peers) this.#sync.takePeer({ key: keyOf(peer.metadata), after: peer });
    this.peers.subscribe((change) => {
      this.#sync.takePeer(change);
      this.#turn();
    });
  }

  /** Brings the node to what the objects say at first. */
  async begin(): Promise<void> {
    this.#turn();
    await this.settled();
  }

  /** Resolves when the next step begins or has ended, or the last turn has; at once when nothing is under way. */
  async moment(): Promise<void> {
    if (this.#isTurning || this.#steps > 0) await this.#moment.promise;
  }

  /** Resolves once all that has been changed is carried out. What a turn failed with is thrown. */
  async settled(): Promise<void> {
    while (this.#isTurning || this.#steps > 0) {
      await this.moment();
      // What follows upon a step is not under way yet.
      await setImmediate();
    }
    await this.#turning;
    if (this.#sync.unended !== undefined) throw this.#sync.unended;
  }

  /** The agent ends; the node stays as it is. */
  close(): void {
    this.#sync.close();
  }

  #turn(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    const before = this.#turning;
    this.#turning = this.#turnOn(before);
    this.#turning.catch(() => undefined);
  }

  async #turnOn(before: Promise<void>): Promise<void> {
    try {
      // One that failed stays failed.
      await before;
      while (this.#sync.hasTouched) {
        const turn = this.#turns;
        this.#turns += 1;
        if (turn % WHOLE_EVERY === 0) await this.#sync.syncAll();
        else if (turn % PEERS_EVERY === 0) await this.#sync.syncPeers();
        else await this.#sync.syncTouched();
      }
    } finally {
      this.#isTurning = false;
      this.#tell();
    }
  }

  async #watched<T>(act: () => Promise<T>): Promise<T> {
    this.#steps += 1;
    this.#tell();
    try {
      return await act();
    } finally {
      this.#steps -= 1;
      this.#tell();
    }
  }

  #tell(): void {
    this.#moment.resolve();
    this.#moment = Promise.withResolvers();
  }
}

function cacheOf<T extends KubernetesObject>(objects: readonly T[]): Cache<T> {
  const cache = new Cache<T>((key, error) => {
    throw new Error(`take ${key}`, { cause: error });
  });
  cache.replace(new Map(objects.map((object) => [keyOf(object.metadata), object])), '1');
  return cache;
}
