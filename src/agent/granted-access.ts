import { isDeepStrictEqual } from 'node:util';
import type { Namespace, Service } from '../api/core.ts';
import type { MeshAccess } from '../api/meshaccess.ts';
import type { Change, Store } from '../k8s/store.ts';
import { accessOf, endOf, type Grant } from '../mesh/access/access.ts';
import { accessGateway, accessMembers, accessWorld } from '../mesh/access/world.ts';
import type { PeerTable } from '../mesh/peer-table.ts';
import type { Topology } from '../mesh/topology.ts';

/** What grants are made of, besides peers. */
export interface AccessStores {
  readonly accesses: Store<MeshAccess>;
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
  #stores: AccessStores | undefined;

  constructor(follow: () => AccessStores, onChange: () => void) {
    this.#follow = follow;
    this.#onChange = onChange;
  }

  /** Whether everything has been seen once. Before, nobody can tell what is not granted. */
  isKnown({ gateway }: Topology): boolean {
    if (gateway.spec.access.default === 'Allow') return true;
    const { accesses, services, namespaces } = this.#followed();
    return accesses.synced && services.synced && namespaces.synced;
  }

  /** All that is granted now, by what has been seen. */
  grants(topology: Topology, table: PeerTable, now: number): readonly Grant[] {
    if (topology.gateway.spec.access.default === 'Allow') return [];
    const { accesses, services, namespaces } = this.#followed();
    const members = [...accessMembers(table)];
    const world = accessWorld({
      namespaces: namespaces.values(),
      peers: members.map(({ peer }) => peer),
      services: services.values(),
    });
    return [...accessOf(accessGateway(topology), members, { accesses: accesses.values(), world, now })];
  }

  /** How many grants have ended by themselves: whoever looks anew asks, because no timer notices a clock that was set. */
  ended(now: number): number {
    let count = 0;
    for (const access of this.#stores?.accesses.values() ?? []) if (endOf(access) <= now) count += 1;
    return count;
  }

  /** The next moment after `now` at which a grant ends by itself, in milliseconds since the epoch; infinity for never. */
  nextEnd(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const access of this.#stores?.accesses.values() ?? []) {
      const end = endOf(access);
      if (end > now && end < next) next = end;
    }
    return next;
  }

  #followed(): AccessStores {
    if (this.#stores !== undefined) return this.#stores;
    this.#stores = this.#follow();
    const { accesses, services, namespaces } = this.#stores;
    accesses.subscribe((change) => this.#take(change, ({ spec, metadata }) => [spec, metadata.deletionTimestamp]));
    services.subscribe((change) => this.#take(change, ({ spec, metadata }) => [spec, metadata.labels]));
    namespaces.subscribe((change) => this.#take(change, ({ metadata }) => metadata.labels));
    for (const store of [accesses, services, namespaces]) void store.whenSynced().then(this.#onChange, () => undefined);
    return this.#stores;
  }

  #take<T>({ before, after }: Change<T>, read: (object: T) => unknown): void {
    if (!isDeepStrictEqual(before && read(before), after && read(after))) this.#onChange();
  }
}
