import { isDeepStrictEqual } from 'node:util';
import { mergedFlows, stillEnded } from '../dataplane/nftables/ended-flows.ts';
import { FlowIndex } from '../dataplane/nftables/flow-index.ts';
import type { Flow, Ruleset } from '../dataplane/nftables/ruleset.ts';
import type { Operation } from '../dataplane/operation.ts';
import type { Host } from '../host/host.ts';
import { ALL_NEED_GRANTS, freeAmong, type GrantNeed, needingGrants } from '../mesh/access/grant-need.ts';
import { parseAddress } from '../net/address.ts';
import { type Cidr, cidrBase, cidrContains, cidrsOverlap, hostCidr } from '../net/cidr.ts';
import type { Clock } from '../runtime/clock.ts';

type EndFlows = Extract<Operation, { readonly kind: 'end-flows' }>;

/** What is needed of a host. */
export interface FlowHost extends Pick<Host, 'observeFlows'> {
  /** Ends the connections, or throws. */
  readonly apply: (operation: EndFlows) => Promise<void>;
}

/**
 * So many are ended before somebody asks again whether they still are to end, and no more than take so long, in milliseconds: each costs a walk through
 * the kernel's table, and what is granted again meanwhile, and opened, is ended with them.
 */
const MOST = 32;
const LONGEST_MS = 250;
const AT_FIRST = 4;
const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 30_000] as const;

export interface EndingFlowsOptions {
  readonly host: FlowHost;
  readonly clock: Pick<Clock, 'monotonic' | 'timer'>;
  /** Is called with what an attempt failed with, and with undefined when one has gone well again. */
  readonly onProblem: (error: unknown) => void;
}

/**
 * Ends connections beside the agent's turns: each costs a walk through the kernel's whole table, which nobody whose access is taken away is
 * to wait for, and no turn fails because one of them does. What could not be ended stays here and is tried again until it is; what is let
 * in again meanwhile goes on.
 */
export class EndingFlows {
  readonly #options: EndingFlowsOptions;
  #ruleset: Pick<Ruleset, 'sets'> = { sets: [] };
  #need: GrantNeed | undefined = ALL_NEED_GRANTS;
  /** What has just ceased to be let in, open or not. */
  #left: readonly Flow[] = [];
  /** What is to end. */
  #pending: readonly Flow[] = [];
  #isComparing = false;
  #isRunning = false;
  #isClosed = false;
  #atOnce = AT_FIRST;
  #failures = 0;
  #cancelRetry: (() => void) | undefined;

  constructor(options: EndingFlowsOptions) {
    this.#options = options;
  }

  /** Connections that the rules have just ceased to let in. */
  add({ flows }: EndFlows): void {
    this.#left = [...this.#left, ...flows];
  }

  /**
   * The rules that nodes are brought to: what they let in is not ended, nor what needs no grant. Says whether something else than before
   * needs one, so that what is open is to be compared once the rules are in place.
   */
  follow(ruleset: Pick<Ruleset, 'sets'>, need: GrantNeed | undefined): boolean {
    const isOther = !isDeepStrictEqual(need, this.#need);
    this.#need = need;
    this.followGrants(ruleset);
    return isOther;
  }

  /** The most that is still granted, while nobody decides what needs a grant. */
  followGrants(ruleset: Pick<Ruleset, 'sets'>): void {
    this.#ruleset = ruleset;
  }

  /**
   * Has all that is open compared with these rules, which are in place: where nobody knows what was let in before them, as when the
   * agent has just begun or another table has taken the place of one.
   */
  compare(): void {
    this.#isComparing = true;
  }

  /** Begins to end what is to end; while the last attempt has failed, it waits for its next one. */
  begin(): void {
    if (this.#isRunning || this.#isClosed || this.#cancelRetry !== undefined || !this.#hasMore()) return;
    void this.#end();
  }

  /** Nothing is to end any more: the node has been cleared. */
  clear(): void {
    this.#left = [];
    this.#pending = [];
    this.#isComparing = false;
    this.#forgetFailures();
  }

  /** Nothing is tried any more: the agent ends, and the next one compares. */
  close(): void {
    this.#isClosed = true;
    this.#forgetFailures();
  }

  #hasMore(): boolean {
    return this.#isComparing || this.#left.length > 0 || this.#pending.length > 0;
  }

  async #end(): Promise<void> {
    this.#isRunning = true;
    try {
      while (this.#hasMore() && !this.#isClosed) {
        await this.#look();
        await this.#endSome();
      }
      if (this.#failures > 0) this.#options.onProblem(undefined);
      this.#forgetFailures();
    } catch (error) {
      this.#retryLater(error);
    }
    this.#isRunning = false;
  }

  /** Those that come first, by the rules as of now. */
  async #endSome(): Promise<void> {
    const need = this.#need;
    const taken = new Set(this.#pending);
    const { flows, kept } = stillEnded(this.#ruleset, needingGrants(need, [...taken]));
    const merged = mergedFlows(this.#ruleset, flows, need?.sources ?? []);
    const slice = merged.slice(0, this.#atOnce);
    if (slice.length > 0) {
      const sources = new Set(slice.map(({ source }) => source));
      const going = [...kept, ...freeAmong(need, slice)].filter(({ source }) => sources.has(source));
      const { clock, host } = this.#options;
      const began = clock.monotonic();
      await host.apply({ kind: 'end-flows', flows: slice, kept: going });
      const walkMs = (clock.monotonic() - began) / slice.length;
      this.#atOnce = Math.max(1, Math.min(MOST, Math.floor(LONGEST_MS / walkMs)));
    }
    const rest = flowsBut(flows, slice);
    this.#pending = this.#pending.filter((flow) => !taken.has(flow) || rest.has(flow));
  }

  /**
   * What is open and not let in is to end like what has just ceased to be. Of many that have ceased to be let in few are open as a rule, and
   * one look finds these.
   */
  async #look(): Promise<void> {
    const need = this.#need;
    const [left, isComparing] = [this.#left, this.#isComparing];
    const canSee = need !== undefined && need.sources.length > 0;
    // Whoever asks from here on asks about what this look may not see.
    this.#left = [];
    this.#isComparing = false;
    const isFew = !canSee || left.length <= MOST;
    if (isFew) this.#pending = [...this.#pending, ...left];
    if (!canSee || (isFew && !isComparing)) return;
    try {
      const open = await this.#options.host.observeFlows(need.sources);
      const unseen = left.filter(({ source }) => !need.sources.some((cidr) => isFrom(cidr, source)));
      const found = isComparing ? needingGrants(need, open) : openAmong(open, left);
      this.#pending = [...this.#pending, ...found, ...(isFew ? [] : unseen)];
    } catch (error) {
      if (!isFew) this.#left = [...left, ...this.#left];
      this.#isComparing ||= isComparing;
      throw error;
    }
  }

  #retryLater(error: unknown): void {
    if (this.#isClosed || !this.#hasMore()) return;
    const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)] ?? RETRY_MS[0];
    this.#failures += 1;
    this.#cancelRetry = this.#options.clock.timer(wait, () => {
      this.#cancelRetry = undefined;
      this.begin();
    });
    this.#options.onProblem(error);
  }

  #forgetFailures(): void {
    this.#failures = 0;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
  }
}

/** Those that `ended`, which may be of whole prefixes, has nothing of. */
function flowsBut(flows: readonly Flow[], ended: readonly Flow[]): ReadonlySet<Flow> {
  const [single, merged] = [new Set(ended), new FlowIndex(ended)];
  return new Set(flows.filter((flow) => !single.has(flow) && merged.merged(flow) === undefined));
}

/** What of these ranges and ports is open. */
function openAmong(open: readonly Flow[], flows: readonly Flow[]): readonly Flow[] {
  const single = new Set(flows.map((flow) => `${flow.source} ${dialled(flow)}`));
  const wide = Map.groupBy(
    flows.filter(({ open, destination }) => open === undefined || hostCidr(cidrBase(destination)) !== destination),
    ({ source }) => source,
  );
  return open.filter(
    (flow) =>
      single.has(`${flow.source} ${dialled(flow)}`) || wide.get(flow.source)?.some((one) => isOf(one, flow)) === true,
  );
}

function isFrom(cidr: Cidr, source: Flow['source']): boolean {
  const address = parseAddress(source);
  return address.ok && cidrContains(cidr, address.value);
}

function isOf({ destination, open }: Flow, flow: Flow): boolean {
  if (!cidrsOverlap(destination, flow.destination)) return false;
  return open === undefined || (open.protocol === flow.open?.protocol && open.port === flow.open.port);
}

function dialled({ destination, open }: Flow): string {
  return `${destination} ${open?.protocol} ${open?.port}`;
}
