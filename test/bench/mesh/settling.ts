import { isTrue } from '../../../src/api/conditions.ts';
import { type MeshGatewayNode, meshGatewayNodeType } from '../../../src/api/meshgatewaynode.ts';
import { type MeshPeer, meshPeerType } from '../../../src/api/meshpeer.ts';
import type { ObjectKey } from '../../../src/api/resource.ts';
import { startReflector } from '../../../src/k8s/reflector.ts';
import type { Store } from '../../../src/k8s/store.ts';
import type { Transport } from '../../../src/k8s/transport.ts';
import { systemClock } from '../../../src/runtime/clock.ts';
import { RELEASE } from '../../lab/mesh.ts';

/** A busy machine may take long; what never ends must fail nevertheless. */
const PATIENCE_MS = 1_200_000;

/** Watches how far the operator and the nodes have come. */
export class Settling {
  readonly #peers: Store<MeshPeer>;
  readonly #reports: Store<MeshGatewayNode>;
  readonly #stopped: Promise<unknown>;
  readonly #ending = new AbortController();

  private constructor(transport: Transport) {
    const following = { signal: this.#ending.signal, clock: systemClock };
    const peers = startReflector(transport, meshPeerType, following);
    const reports = startReflector(transport, meshGatewayNodeType, { ...following, namespace: RELEASE.namespace });
    this.#peers = peers.store;
    this.#reports = reports.store;
    this.#stopped = Promise.all([peers.stopped, reports.stopped]);
  }

  static async start(transport: Transport): Promise<Settling> {
    const settling = new Settling(transport);
    await Promise.all([settling.#peers.whenSynced(), settling.#reports.whenSynced()]);
    return settling;
  }

  /** Resolves when so many nodes report so many peers in their interfaces. */
  held(peers: number, nodes: number): Promise<void> {
    return reached(this.#reports, ({ status }) => (status?.peers ?? 0) >= peers, nodes);
  }

  /** Resolves when so many peers' statuses say Programmed. */
  said(peers: number): Promise<void> {
    return reached(this.#peers, ({ status }) => isTrue(status?.conditions ?? [], 'Programmed'), peers);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#stopped;
  }
}

/** Resolves when so many objects of a store are as wanted. */
async function reached<T>(store: Store<T>, isWanted: (object: T) => boolean, count: number): Promise<void> {
  const good = new Set<ObjectKey>();
  const done = Promise.withResolvers<void>();
  const take = (key: ObjectKey, object: T | undefined) => {
    if (object !== undefined && isWanted(object)) good.add(key);
    else good.delete(key);
    if (good.size >= count) done.resolve();
  };
  const unsubscribe = store.subscribe(({ key, after }) => take(key, after));
  for (const [key, object] of store.entries()) take(key, object);
  if (count === 0) done.resolve();
  const late = () => done.reject(new Error(`${good.size} of ${count} after ${PATIENCE_MS / 1000} s`));
  const timer = setTimeout(late, PATIENCE_MS);
  try {
    await done.promise;
  } finally {
    clearTimeout(timer);
    unsubscribe();
  }
}
