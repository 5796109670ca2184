import type { Namespace, Node } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshGatewayNode } from '../api/meshgatewaynode.ts';
import type { Connection, MeshPeer } from '../api/meshpeer.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Change } from '../k8s/store.ts';
import { olderFirst } from '../mesh/age.ts';
import { Claims } from '../mesh/claims.ts';
import { Connections } from '../mesh/connections.ts';
import { lingers } from '../mesh/lingering.ts';
import { OwnerQuota } from '../mesh/owner-quota.ts';
import type { GatewayNode, MeshView } from '../mesh/view.ts';
import type { Cidr } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import type { Clock } from '../runtime/clock.ts';
import { AccessIndex } from './access-index.ts';
import { Admitted } from './admitted.ts';
import { Awaiting } from './awaiting.ts';
import { Liveness, leaseKeyOf } from './liveness.ts';
import { OfferedKeys } from './offered-keys.ts';
import type { Stores } from './stores.ts';

export interface MeshStateOptions {
  readonly pool: readonly Cidr[];
  /** The operator's own. */
  readonly namespace: string;
  /** Devices for each owner; infinity for any number. */
  readonly peersPerOwner: number;
}

/** The view that decisions are made from, kept current by what the stores announce, so that a decision costs no listing. */
export class MeshState implements MeshView {
  readonly pool: readonly Cidr[];
  readonly claims = new Claims();
  readonly access: AccessIndex;
  readonly presharedKeys: OfferedKeys;
  readonly ownerQuota: OwnerQuota;
  readonly liveness: Liveness;
  readonly #stores: Stores;
  readonly #connections = new Connections();
  readonly #awaiting = new Awaiting();
  readonly #admitted = new Admitted();
  readonly #written = new Map<ObjectKey, { readonly uid: string; readonly version: bigint }>();

  constructor(stores: Stores, { pool, namespace, peersPerOwner }: MeshStateOptions, clock: Clock) {
    this.pool = pool;
    this.access = new AccessIndex(stores);
    this.ownerQuota = new OwnerQuota(peersPerOwner);
    this.presharedKeys = new OfferedKeys({ secrets: stores.presharedKeys, peers: stores.peers, namespace });
    this.#stores = stores;
    this.liveness = new Liveness(clock);
  }

  get gateways(): readonly MeshGateway[] {
    return [...this.#stores.gateways.values()].sort(olderFirst);
  }

  get nodes(): readonly Node[] {
    return [...this.#stores.nodes.values()];
  }

  namespace(name: string): Namespace | undefined {
    return this.#stores.namespaces.get(name as ObjectKey);
  }

  nodesOf(gateway: string): readonly GatewayNode[] {
    return [...this.#stores.reports.values()]
      .filter((report) => report.spec.gateway === gateway)
      .map((report) => ({ report, alive: this.liveness.isAlive(leaseKeyOf(report)) }));
  }

  connectionsOf(peer: ObjectKey): readonly Connection[] {
    return this.#connections.of(peer);
  }

  get connectedPeers(): number {
    return this.#connections.size;
  }

  /** How many peers a gateway lets in, and how many of them have a live session there. */
  countPeers(gateway: string): { readonly accepted: number; readonly connected: number } {
    const admitted = this.#admitted.by(gateway);
    let connected = 0;
    for (const peer of this.#connections.connectedTo(gateway)) if (admitted.has(peer)) connected += 1;
    return { accepted: admitted.size, connected };
  }

  /** The peers that a gateway lets in and that may need its former key. Dear, and only asked while there is one. */
  lingeringAt(gateway: string, former: PublicKey): readonly string[] {
    const { peers } = this.#stores;
    return [...this.#admitted.by(gateway)].filter((key) => {
      const peer = peers.get(key);
      return peer !== undefined && lingers(peer, gateway, former);
    });
  }

  acceptedAt(peer: ObjectKey): bigint | undefined {
    const written = this.#written.get(peer);
    return written?.uid === this.#stores.peers.get(peer)?.metadata.uid ? written?.version : undefined;
  }

  /** Remembers with which version the API server stored what a peer was given. */
  noteAccepted(key: ObjectKey, { metadata }: MeshPeer): void {
    this.#written.set(key, { uid: metadata.uid, version: BigInt(metadata.resourceVersion) });
    this.#awaiting.set(key, this.#stores.peers.get(key), this.acceptedAt(key));
  }

  /** Takes a peer's change into the indexes; returns the other peers that it may decide anew. */
  peerChanged({ key, after }: Change<MeshPeer>): ReadonlySet<ObjectKey> {
    if (after === undefined) this.#written.delete(key);
    this.#awaiting.set(key, after, this.acceptedAt(key));
    this.#admitted.set(key, after);
    this.presharedKeys.peerChanged(key, after);
    return new Set([...this.claims.set(key, after), ...this.ownerQuota.set(key, after)]);
  }

  /**
   * Takes a report's change into the indexes; returns the peers whose connections changed, and those that waited for it or for
   * their preshared key.
   */
  reportChanged(change: Change<MeshGatewayNode>): ReadonlySet<ObjectKey> {
    const connected = this.#connections.set(change.key, change.after);
    return new Set([...connected, ...this.#awaiting.passedBy(change), ...this.presharedKeys.reportChanged(change)]);
  }
}
