import { isTrue } from '../api/conditions.ts';
import type { MeshGatewayNode } from '../api/meshgatewaynode.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { type ObjectKey, versionNumber } from '../api/resource.ts';
import type { Change } from '../k8s/store.ts';

/**
 * Peers that were let in and are not on every node yet, each with the version that it waits for, so that a report finds those it
 * concerns without asking every peer: while ten thousand come in, reports come several times a second.
 */
export class Awaiting {
  readonly #peers = new Map<ObjectKey, { readonly given: bigint; readonly gateways: readonly string[] }>();

  /** Takes a peer's present state, or its absence, into account; `given` is the version with which it got what it has now. */
  set(key: ObjectKey, peer: MeshPeer | undefined, given: bigint | undefined): void {
    const gateways = peer?.status?.gateways ?? [];
    if (peer === undefined || gateways.length === 0 || isTrue(peer.status?.conditions ?? [], 'Programmed'))
      this.#peers.delete(key);
    else this.#peers.set(key, { given: given ?? versionNumber(peer.metadata.resourceVersion), gateways });
  }

  /** Peers whose version a node went past with this report. The node that is the last to do so is what the peer waits for. */
  passedBy({ before, after }: Change<MeshGatewayNode>): readonly ObjectKey[] {
    const from = versionNumber(before?.status?.appliedResourceVersion);
    const to = versionNumber(after?.status?.appliedResourceVersion);
    if (after === undefined || to <= from) return [];
    const { gateway } = after.spec;
    const passed: ObjectKey[] = [];
    for (const [key, { given, gateways }] of this.#peers)
      if (from < given && given <= to && gateways.includes(gateway)) passed.push(key);
    return passed;
  }
}
