import type { MeshGateway } from '../api/meshgateway.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Store } from '../k8s/store.ts';
import { type Topology, topology } from '../mesh/topology.ts';

/**
 * What the operator last decided about each gateway. A spec that was changed since waits for the operator's word, and what was
 * decided before holds until then.
 */
export class JudgedGateways {
  readonly #topologies = new Map<ObjectKey, Topology | undefined>();

  constructor(gateways: Pick<Store<MeshGateway>, 'entries' | 'subscribe'>) {
    gateways.subscribe(({ key, after }) => this.#judge(key, after));
    for (const [key, gateway] of gateways.entries()) this.#judge(key, gateway);
  }

  /** Undefined for a gateway that the operator refused, that is gone, or about which it has decided nothing since this agent started. */
  topology(name: string): Topology | undefined {
    return this.#topologies.get(name as ObjectKey);
  }

  #judge(key: ObjectKey, gateway: MeshGateway | undefined): void {
    if (gateway === undefined) {
      this.#topologies.delete(key);
      return;
    }
    const { metadata, status } = gateway;
    if (metadata.generation === undefined || status?.observedGeneration === metadata.generation)
      this.#topologies.set(key, topology(gateway));
  }
}
