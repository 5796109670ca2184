import type { ClusterMeshAccess } from '../api/clustermeshaccess.ts';
import type { Namespace, Service } from '../api/core.ts';
import type { MeshAccess } from '../api/meshaccess.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { type KubernetesObject, keyOf, type ObjectKey } from '../api/resource.ts';
import type { Change, Store } from '../k8s/store.ts';
import type { AccessWorld, AnyAccess } from '../mesh/access/resolve.ts';

/** What a grant is resolved in, kept by namespace, so that one grant among thousands costs no listing of everything. */
export class AccessIndex implements AccessWorld {
  readonly #peers: ByNamespace<MeshPeer>;
  readonly #services: ByNamespace<Service>;
  readonly #accesses: Store<MeshAccess>;
  readonly #clusterAccesses: Store<ClusterMeshAccess>;
  readonly #namespaces: Store<Namespace>;

  constructor(stores: {
    readonly peers: Store<MeshPeer>;
    readonly clusterServices: Store<Service>;
    readonly accesses: Store<MeshAccess>;
    readonly clusterAccesses: Store<ClusterMeshAccess>;
    readonly namespaces: Store<Namespace>;
  }) {
    this.#peers = new ByNamespace(stores.peers);
    this.#services = new ByNamespace(stores.clusterServices);
    this.#accesses = stores.accesses;
    this.#clusterAccesses = stores.clusterAccesses;
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
    return this.#keysWhere(
      ({ metadata, spec }) =>
        metadata.namespace === namespace ||
        (metadata.namespace === undefined && toOf(spec).some((entry) => mayBe(entry.namespaces, namespace))),
    );
  }

  /** The grants that may be for peers of a namespace. */
  grantsFor(namespace: string): readonly ObjectKey[] {
    return this.#keysWhere(({ metadata, spec }) =>
      fromOf(spec).some(({ namespaces }) =>
        namespaces === undefined ? metadata.namespace === namespace : mayBe(namespaces, namespace),
      ),
    );
  }

  /** The grants that the labels of a namespace may turn. */
  grantsAbout(namespace: string): ReadonlySet<ObjectKey> {
    return new Set([...this.grantsOf(namespace), ...this.grantsFor(namespace)]);
  }

  /** Every grant. */
  all(): readonly ObjectKey[] {
    return this.#keysWhere(() => true);
  }

  #keysWhere(wanted: (access: AnyAccess) => boolean): readonly ObjectKey[] {
    const all: readonly AnyAccess[] = [...this.#accesses.values(), ...this.#clusterAccesses.values()];
    return all.filter(wanted).map(({ metadata }) => keyOf(metadata));
  }
}

type Namespaces = ClusterMeshAccess['spec']['from'][number]['namespaces'];

function fromOf({ from }: AnyAccess['spec']): readonly { readonly namespaces?: Namespaces | undefined }[] {
  return from;
}

function toOf({ to }: AnyAccess['spec']): readonly ClusterMeshAccess['spec']['to'][number][] {
  return to;
}

function mayBe(namespaces: Namespaces | undefined, namespace: string): boolean {
  return namespaces?.names?.includes(namespace) ?? namespaces?.selector !== undefined;
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
