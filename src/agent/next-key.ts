import type { Operation } from '../dataplane/operation.ts';
import type { Topology } from '../mesh/topology.ts';
import type { PublicKey } from '../net/key.ts';
import type { Clock } from '../runtime/clock.ts';
import { failureOf } from './failure.ts';

/** A port that is taken is seldom free a moment later, and each attempt makes an interface. */
const AGAIN_MS = 30_000;

/**
 * A node that cannot serve the gateway's next key, its port being taken, serves the present one all the same: nobody was told the next one yet,
 * and nobody will be until every node has it.
 */
export class NextKey {
  /** The step that is under way. */
  doing: Operation | undefined;
  readonly #clock: Pick<Clock, 'monotonic'>;
  #refused: { readonly key: PublicKey; readonly problem: string; readonly until: number } | undefined;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Why the next key is not served, as a sentence. */
  get problem(): string | undefined {
    return this.#refused?.problem;
  }

  /** Whether it is time to serve both keys, where there are two. */
  mayTry({ other }: Topology): boolean {
    if (other?.state !== 'Next' || other.publicKey !== this.#refused?.key) this.#refused = undefined;
    return this.#refused === undefined || this.#clock.monotonic() >= this.#refused.until;
  }

  /** Does the work; true when it broke off at the interface of a next key. @throws whatever else it breaks off with */
  async attempt({ other }: Topology, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      if (this.#refused !== undefined && this.#clock.monotonic() >= this.#refused.until) this.#refused = undefined;
      return false;
    } catch (error) {
      const { doing } = this;
      const isNext =
        other?.state === 'Next' && doing !== undefined && 'device' in doing && doing.device === other.device;
      if (!isNext) throw error;
      const problem = `The gateway's next key cannot be served on this node: ${failureOf(error).message}`;
      this.#refused = { key: other.publicKey, problem, until: this.#clock.monotonic() + AGAIN_MS };
      return true;
    }
  }
}
