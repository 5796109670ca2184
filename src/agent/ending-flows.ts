import { mergedFlows, stillEnded } from '../dataplane/nftables/ended-flows.ts';
import type { Flow, Ruleset } from '../dataplane/nftables/ruleset.ts';
import type { Operation } from '../dataplane/operation.ts';
import type { Host } from '../host/host.ts';
import { ALL_NEED_GRANTS, freeAmong, type GrantNeed, needingGrants } from '../mesh/access/grant-need.ts';

type EndFlows = Extract<Operation, { readonly kind: 'end-flows' }>;

/** What is needed of a host. */
export interface FlowHost extends Pick<Host, 'observeFlows'> {
  /** Ends the connections, or throws. */
  readonly apply: (operation: EndFlows) => Promise<void>;
}

/**
 * Ends connections beside the agent's turns: each costs a walk through the kernel's whole table, which nobody whose access is taken away is
 * to wait for. What could not be ended stays here until it is; what is let in again meanwhile goes on.
 */
export class EndingFlows {
  readonly #host: FlowHost;
  #ruleset: Pick<Ruleset, 'sets'> = { sets: [] };
  #need: GrantNeed | undefined = ALL_NEED_GRANTS;
  #pending: readonly Flow[] = [];
  #isLooking = false;
  #isRunning = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(host: FlowHost) {
    this.#host = host;
  }

  /** Connections that the rules have just ceased to let in. */
  add({ flows }: EndFlows): void {
    this.#pending = [...this.#pending, ...flows];
  }

  /** The rules that nodes are brought to: what they let in is not ended, nor what needs no grant. */
  follow(ruleset: Pick<Ruleset, 'sets'>, need: GrantNeed | undefined): void {
    this.#need = need;
    this.followGrants(ruleset);
  }

  /** The most that is still granted, while nobody decides what needs a grant. */
  followGrants(ruleset: Pick<Ruleset, 'sets'>): void {
    this.#ruleset = ruleset;
  }

  /**
   * Has all that is open compared with these rules, once they are in place: where nobody knows what was let in before them, as when the
   * agent has just begun or another table has taken the place of one.
   */
  compare(): void {
    this.#isLooking = true;
  }

  /** Begins to end what is to end. @throws what the last attempt failed with, once; it is repeated all the same */
  begin(): void {
    if (this.#isRunning || !this.#hasMore()) return;
    const failure = this.#failure;
    this.#failure = undefined;
    void this.#end();
    if (failure !== undefined) throw failure.error;
  }

  /** Nothing is to end any more: the node has been cleared. */
  clear(): void {
    this.#pending = [];
    this.#isLooking = false;
  }

  #hasMore(): boolean {
    return this.#isLooking || this.#pending.length > 0;
  }

  async #end(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#hasMore()) {
        if (this.#isLooking) await this.#look();
        const taken = new Set(this.#pending);
        const { flows, kept } = stillEnded(this.#ruleset, needingGrants(this.#need, [...taken]));
        const going = [...kept, ...freeAmong(this.#need, flows)];
        const merged = mergedFlows(this.#ruleset, flows, this.#need?.sources ?? []);
        if (flows.length > 0) await this.#host.apply({ kind: 'end-flows', flows: merged, kept: going });
        this.#pending = this.#pending.filter((flow) => !taken.has(flow));
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#isRunning = false;
  }

  /** What is open and not let in is to end like what has just ceased to be. */
  async #look(): Promise<void> {
    const need = this.#need;
    const open = need === undefined ? [] : await this.#host.observeFlows(need.sources);
    this.#isLooking = false;
    this.#pending = [...this.#pending, ...needingGrants(need, open)];
  }
}
