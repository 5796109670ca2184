import type { Namespace, Service } from '../api/core.ts';
import type { MeshAccess } from '../api/meshaccess.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { type KubernetesObject, keyOf, type ObjectKey } from '../api/resource.ts';
import type { Change, Store } from '../k8s/store.ts';
import type { AccessWorld } from '../mesh/access/resolve.ts';

/** What a grant is resolved in, kept by namespace, so that one grant among thousands costs no listing of everything. */
export class AccessIndex implements AccessWorld {
  readonly #peers: ByNamespace<MeshPeer>;
  readonly #services: ByNamespace<Service>;
  readonly #accesses: Store<MeshAccess>;
  readonly #namespaces: Store<Namespace>;

  constructor(stores: {
    readonly peers: Store<MeshPeer>;
    readonly clusterServices: Store<Service>;
    readonly accesses: Store<MeshAccess>;
    readonly namespaces: Store<Namespace>;
  }) {
    this.#peers = new ByNamespace(stores.peers);
    this.#services = new ByNamespace(stores.clusterServices);
    this.#accesses = stores.accesses;
    this.#namespaces = stores.namespaces;
  }

  get namespaces(): Iterable<string> {
    return [...this.#namespaces.values()].map(({ metadata }) => metadata.name);
  }

  namespace(name: string): Namespace | undefined {
    return this.#namespaces.get(name as ObjectKey);
  }

  peersIn(namespace: string): Iterable<MeshPeer> {
    return this.#peers.in(namespace);
  }

  servicesIn(namespace: string): Iterable<Service> {
    return this.#services.in(namespace);
  }

  /** The grants that a namespace's Services may turn. */
  grantsOf(namespace: string): readonly ObjectKey[] {
    return this.#keysWhere(({ metadata }) => metadata.namespace === namespace);
  }

  /** The grants that may be for peers of a namespace. */
  grantsFor(namespace: string): readonly ObjectKey[] {
    return this.#keysWhere(({ metadata, spec }) =>
      spec.from.some(({ namespaces }) =>
        namespaces === undefined
          ? metadata.namespace === namespace
          : (namespaces.names?.includes(namespace) ?? namespaces.selector !== undefined),
      ),
    );
  }

  /** Every grant. */
  all(): readonly ObjectKey[] {
    return this.#keysWhere(() => true);
  }

  #keysWhere(wanted: (access: MeshAccess) => boolean): readonly ObjectKey[] {
    return [...this.#accesses.values()].filter(wanted).map(({ metadata }) => keyOf(metadata));
  }
}

class ByNamespace<T extends KubernetesObject> {
  readonly #groups = new Map<string, Map<ObjectKey, T>>();

  constructor(store: Store<T>) {
    store.subscribe((change) => this.#take(change));
    for (const [key, after] of store.entries()) this.#take({ key, after });
  }

  in(namespace: string): Iterable<T> {
    return this.#groups.get(namespace)?.values() ?? [];
  }

  #take({ key, before, after }: Change<T>): void {
    const namespace = (after ?? before)?.metadata.namespace ?? '';
    const group = this.#groups.get(namespace) ?? new Map<ObjectKey, T>();
    if (after === undefined) group.delete(key);
    else group.set(key, after);
    if (group.size === 0) this.#groups.delete(namespace);
    else this.#groups.set(namespace, group);
  }
}
