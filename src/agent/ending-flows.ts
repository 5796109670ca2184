import { stillEnded } from '../dataplane/nftables/ended-flows.ts';
import type { Flow, Ruleset } from '../dataplane/nftables/ruleset.ts';
import type { Operation } from '../dataplane/operation.ts';

type EndFlows = Extract<Operation, { readonly kind: 'end-flows' }>;

/**
 * Ends connections beside the agent's turns: each costs a walk through the kernel's whole table, which nobody whose access is taken away is
 * to wait for. What could not be ended stays here until it is; what is let in again meanwhile goes on.
 */
export class EndingFlows {
  readonly #apply: (operation: EndFlows) => Promise<void>;
  #ruleset: Pick<Ruleset, 'sets'> = { sets: [] };
  #pending: readonly Flow[] = [];
  #isRunning = false;
  #failure: { readonly error: unknown } | undefined;

  /** `apply` ends the connections, or throws. */
  constructor(apply: (operation: EndFlows) => Promise<void>) {
    this.#apply = apply;
  }

  /** Connections that the rules have just ceased to let in. */
  add({ flows }: EndFlows): void {
    this.#pending = [...this.#pending, ...flows];
  }

  /** The rules that nodes are brought to: what they let in is not ended. */
  follow(ruleset: Pick<Ruleset, 'sets'>): void {
    this.#ruleset = ruleset;
  }

  /** Begins to end what is to end. @throws what the last attempt failed with, once; it is repeated all the same */
  begin(): void {
    if (this.#isRunning || this.#pending.length === 0) return;
    const failure = this.#failure;
    this.#failure = undefined;
    void this.#end();
    if (failure !== undefined) throw failure.error;
  }

  /** Nothing is to end any more: the node has been cleared. */
  clear(): void {
    this.#pending = [];
  }

  async #end(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#pending.length > 0) {
        const taken = new Set(this.#pending);
        const ended = stillEnded(this.#ruleset, [...taken]);
        if (ended.flows.length > 0) await this.#apply({ kind: 'end-flows', ...ended });
        this.#pending = this.#pending.filter((flow) => !taken.has(flow));
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#isRunning = false;
  }
}
