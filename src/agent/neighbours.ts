import type { MeshGatewayNode } from '../api/meshgatewaynode.ts';
import type { Store } from '../k8s/store.ts';
import { neighboursOf } from '../mesh/takeover/neighbours.ts';
import { addressesIn } from '../net/address.ts';
import type { PublicKey } from '../net/key.ts';
import type { Ask, AskedNode } from './asking.ts';
import type { NodeSync } from './node-sync.ts';

export interface NeighboursOptions {
  readonly node: string;
  readonly reports: Store<MeshGatewayNode>;
  readonly ask: Ask;
  readonly sync: Pick<NodeSync, 'gateway' | 'topology' | 'takeAskers'>;
  /** Is called with what each question found. */
  readonly heard: (node: string, answers: boolean) => void;
  readonly onDue: (look: 'touched') => void;
}

/** From an answer of a node to the next question, in milliseconds, where one or two are asked. */
const PAUSE_MS = 200;

/** Asks the nodes next to this one whether they live, and lets them ask in turn. */
export class Neighbours {
  readonly #options: NeighboursOptions;
  readonly #asking = new Map<string, AbortController>();
  /** All nodes with the keys by which they ask, when it was last looked. */
  #known = '';

  constructor(options: NeighboursOptions) {
    this.#options = options;
  }

  /** Takes in who there is by the reports, until the signal is aborted. */
  follow(signal: AbortSignal): void {
    const { node, reports, sync, onDue } = this.#options;
    const told = [...reports.values()].filter(({ status }) => status?.liveness !== undefined);
    const askers = new Map(told.map(({ spec, status }) => [spec.node, status?.liveness?.publicKey as PublicKey]));
    const known = JSON.stringify([...askers].sort());
    if (known === this.#known || signal.aborted) return;
    this.#known = known;
    const neighbours = neighboursOf(node, askers.keys());
    sync.takeAskers(new Set(neighbours.flatMap((neighbour) => askers.get(neighbour) ?? [])));
    onDue('touched');
    for (const [asked, asking] of this.#asking) {
      if (neighbours.includes(asked)) continue;
      asking.abort();
      this.#asking.delete(asked);
    }
    for (const neighbour of neighbours) if (!this.#asking.has(neighbour)) this.#begin(neighbour);
  }

  /** Asks nobody any more. */
  stop(): void {
    for (const asking of this.#asking.values()) asking.abort();
  }

  #begin(neighbour: string): void {
    const { ask, heard } = this.#options;
    const asking = new AbortController();
    this.#asking.set(neighbour, asking);
    ask(
      () => this.#asked(neighbour),
      (answers) => heard(neighbour, answers),
      asking.signal,
    );
  }

  /** Undefined while there is nothing to ask, or nobody wants to know. */
  #asked(node: string): AskedNode | undefined {
    const { sync, reports } = this.#options;
    const topology = sync.gateway?.spec.takeover.enabled === true ? sync.topology() : undefined;
    const liveness = [...reports.values()].find(({ spec }) => spec.node === node)?.status?.liveness;
    const addresses = addressesIn(liveness?.addresses ?? []);
    if (topology === undefined || addresses.length === 0) return undefined;
    // With more who ask, the first of them to notice notices as soon.
    const pauseMs = Math.max(PAUSE_MS, (PAUSE_MS * this.#asking.size) / 2);
    return { addresses, port: topology.listenPort, publicKey: topology.publicKey, pauseMs };
  }
}
