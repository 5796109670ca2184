import { isDeepStrictEqual } from 'node:util';
import type { ClusterMeshAccess } from '../api/clustermeshaccess.ts';
import type { Namespace, Service } from '../api/core.ts';
import type { MeshAccess } from '../api/meshaccess.ts';
import type { Change, Store } from '../k8s/store.ts';
import { type AccessGateway, endOf, type Granted, NOTHING_GRANTED } from '../mesh/access/access.ts';
import { RememberedGrants } from '../mesh/access/remembered.ts';
import type { AnyAccess } from '../mesh/access/resolve.ts';
import { accessMembers } from '../mesh/access/world.ts';
import type { PeerTable } from '../mesh/peer-table.ts';
import type { Topology } from '../mesh/topology.ts';

/** What grants are made of, besides peers. */
export interface AccessStores {
  readonly accesses: Store<MeshAccess>;
  readonly clusterAccesses: Store<ClusterMeshAccess>;
  readonly services: Store<Service>;
  readonly namespaces: Store<Namespace>;
}

/**
 * What single devices may reach through this node, by the objects that grant it. They are followed from the moment on that the
 * gateway denies by default, because a gateway that allows has no use for them.
 */
export class GrantedAccess {
  readonly #follow: () => AccessStores;
  readonly #onChange: () => void;
  readonly #remembered = new RememberedGrants();
  #stores: AccessStores | undefined;

  constructor(follow: () => AccessStores, onChange: () => void) {
    this.#follow = follow;
    this.#onChange = onChange;
  }

  /** Whether everything has been seen once. Before, nobody can tell what is not granted. */
  isKnown({ accessDefault }: AccessGateway): boolean {
    if (accessDefault === 'Allow') return true;
    return Object.values(this.#followed()).every((store: Store<unknown>) => store.synced);
  }

  /** All that is granted now, by what has been seen. */
  granted(gateway: AccessGateway, table: PeerTable, now: number): Granted {
    if (gateway.accessDefault === 'Allow') return NOTHING_GRANTED;
    const { services, namespaces } = this.#followed();
    return this.#remembered.granted(gateway, {
      members: accessMembers(table),
      services: services.values(),
      namespaces: namespaces.values(),
      accesses: this.#accesses(),
      now,
    });
  }

  /** The Services that are followed: all of them where the gateway denies by default or lets all connections be audited, and none elsewhere. */
  services({ gateway: { spec } }: Topology): Iterable<Service> {
    const wanted = spec.access.default === 'Deny' || spec.audit.connections === 'All';
    return wanted ? this.#followed().services.values() : [];
  }

  /** How many grants have ended by themselves: whoever looks anew asks, because no timer notices a clock that was set. */
  ended(now: number): number {
    let count = 0;
    for (const access of this.#accesses()) if (endOf(access) <= now) count += 1;
    return count;
  }

  /** The next moment after `now` at which a grant ends by itself, in milliseconds since the epoch; infinity for never. */
  nextEnd(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const access of this.#accesses()) {
      const end = endOf(access);
      if (end > now && end < next) next = end;
    }
    return next;
  }

  *#accesses(): Iterable<AnyAccess> {
    yield* this.#stores?.accesses.values() ?? [];
    yield* this.#stores?.clusterAccesses.values() ?? [];
  }

  #followed(): AccessStores {
    if (this.#stores !== undefined) return this.#stores;
    this.#stores = this.#follow();
    const { accesses, clusterAccesses, services, namespaces } = this.#stores;
    const read = ({ spec, metadata }: AnyAccess) => [spec, metadata.deletionTimestamp];
    accesses.subscribe((change) => this.#take(change, read));
    clusterAccesses.subscribe((change) => this.#take(change, read));
    services.subscribe((change) => this.#take(change, ({ spec, metadata }) => [spec, metadata.labels]));
    namespaces.subscribe((change) => this.#take(change, ({ metadata }) => metadata.labels));
    for (const store of Object.values(this.#stores) as readonly Store<unknown>[])
      void store.whenSynced().then(this.#onChange, () => undefined);
    return this.#stores;
  }

  #take<T>({ before, after }: Change<T>, read: (object: T) => unknown): void {
    if (!isDeepStrictEqual(before && read(before), after && read(after))) this.#onChange();
  }
}
