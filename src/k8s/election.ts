import { type Lease, leaseType } from '../api/core.ts';
import { type Client, createClient } from './client.ts';
import { type Clock, delay } from './clock.ts';
import { isAlreadyExists, isConflict } from './errors.ts';
import { LeaseObservations, microTime } from './lease.ts';
import type { Transport } from './transport.ts';

/** What a candidate tells about an election. */
export type ElectionNotice =
  | { readonly kind: 'elected' }
  /** Renewing failed for `renewDeadlineMs`, or someone else holds the lease: the work was told to end. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'released' }
  | { readonly kind: 'following'; readonly leader: string }
  | { readonly kind: 'failed'; readonly error: unknown };

export interface ElectionOptions {
  /** The Lease that is contended for. */
  readonly name: string;
  readonly namespace: string;
  /** Unique among the candidates: the pod's name. */
  readonly identity: string;
  readonly clock: Clock;
  readonly random?: () => number;
  /** Ends the candidacy; a leader ends its work, then releases the lease so that the next one need not wait. */
  readonly signal: AbortSignal;
  readonly onNotice?: (notice: ElectionNotice) => void;
  readonly timing?: Partial<ElectionTiming>;
}

/** client-go's defaults, and its rule: leaseSeconds > renewDeadlineMs > retryMs. */
export interface ElectionTiming {
  /** How long others wait after the last sign of the leader. */
  readonly leaseSeconds: number;
  /** How long a leader goes on without a renewal that succeeded. */
  readonly renewDeadlineMs: number;
  /** Between two attempts. */
  readonly retryMs: number;
}

/**
 * Runs `lead` whenever this candidate holds the lease, at most once at a time. Its signal is aborted when leadership
 * is lost or the candidacy ends; it should then return. After a loss it stands again. Resolves when the candidacy has
 * ended or `lead` returned by itself; rejects only with what `lead` throws. Either way the lease has been released.
 */
export async function campaign(
  transport: Transport,
  options: ElectionOptions,
  lead: (leading: AbortSignal) => Promise<void>,
): Promise<void> {
  const candidate = new Candidate(transport, options);
  while (await candidate.acquire()) {
    const ended = await candidate.serve(lead);
    if (ended) return;
  }
}

const TIMING: ElectionTiming = { leaseSeconds: 15, renewDeadlineMs: 10_000, retryMs: 2_000 };

class Candidate {
  readonly #client: Client;
  readonly #options: ElectionOptions;
  readonly #timing: ElectionTiming;
  readonly #observations = new LeaseObservations();
  /** The lease as last read or written. */
  #lease: Lease | undefined;
  /** When the last attempt that succeeded began: from then on others may have counted. */
  #renewedAt = 0;
  #leader = '';
  /** The last renewal; it may still be on its way when nobody waits for it any more. */
  #renewal: Promise<boolean> | undefined;

  constructor(transport: Transport, options: ElectionOptions) {
    this.#options = options;
    this.#timing = { ...TIMING, ...options.timing };
    // Two attempts must fit into the deadline even when the first one hangs.
    this.#client = createClient(transport, { timeoutMs: Math.max(1, this.#timing.renewDeadlineMs / 2 - 1) });
  }

  /** Tries until it holds the lease (true) or the candidacy ends (false). */
  async acquire(): Promise<boolean> {
    const { signal, clock } = this.#options;
    while (!signal.aborted) {
      const elected = await this.#attempt();
      if (elected && !signal.aborted) return true;
      if (elected) await this.#release();
      await delay(clock, this.#pause(), signal);
    }
    return false;
  }

  /** Works while the lease can be renewed. True when the work ended in order, false when leadership was lost. */
  async serve(lead: (leading: AbortSignal) => Promise<void>): Promise<boolean> {
    const term = new AbortController();
    this.#tell({ kind: 'elected' });
    const renewing = this.#renewUntil(term);
    try {
      await lead(term.signal);
    } finally {
      term.abort(new Error('the term has ended'));
      if (await renewing) await this.#release();
    }
    return renewing;
  }

  /** Renews until the term ends; aborts it when that does not succeed in time. Whether the lease is still ours. */
  async #renewUntil(term: AbortController): Promise<boolean> {
    const { signal, clock } = this.#options;
    const { renewDeadlineMs } = this.#timing;
    const ended = AbortSignal.any([signal, term.signal]);
    const left = () => this.#renewedAt + renewDeadlineMs - clock.monotonic();
    while (!ended.aborted) {
      await delay(clock, Math.min(this.#pause(), left()), ended);
      if (ended.aborted) break;
      const answer = left() <= 0 ? 'late' : await Promise.race([this.#renew(), this.#late(left(), ended)]);
      if (answer !== true && !ended.aborted && (answer === 'late' || this.#isTakenOver())) {
        this.#tell({ kind: 'lost' });
        term.abort(new Error('leadership was lost'));
        return false;
      }
    }
    term.abort(new Error('the candidacy has ended'));
    return true;
  }

  #renew(): Promise<boolean> {
    this.#renewal = this.#attempt();
    return this.#renewal;
  }

  async #late(ms: number, ended: AbortSignal): Promise<'late'> {
    await delay(this.#options.clock, ms, ended);
    return 'late';
  }

  #isTakenOver(): boolean {
    const holder = this.#lease?.spec.holderIdentity;
    return holder !== undefined && holder !== '' && holder !== this.#options.identity;
  }

  /** One try to hold the lease. What goes wrong is told; the answer is whether it is ours now. */
  async #attempt(): Promise<boolean> {
    const began = this.#options.clock.monotonic();
    try {
      const ours = await this.#take();
      if (ours === undefined) return false;
      this.#lease = ours;
      this.#renewedAt = began;
      return true;
    } catch (error) {
      if (!isConflict(error) && !isAlreadyExists(error)) this.#tell({ kind: 'failed', error });
      return false;
    }
  }

  /** The lease in our name; undefined while someone else's is good. The version in it makes sure that only one succeeds. */
  async #take(): Promise<Lease | undefined> {
    const { name, namespace, identity, clock } = this.#options;
    const held = this.#lease;
    this.#lease = undefined;
    if (held?.spec.holderIdentity === identity) return this.#client.replace(leaseType, this.#claim(held));
    const lease = await this.#client.get(leaseType, name, namespace);
    if (lease === undefined) return this.#client.create(leaseType, this.#claim(undefined));
    this.#lease = lease;
    this.#observations.observe(lease, clock.monotonic());
    this.#follow(lease.spec.holderIdentity ?? '');
    const free = this.#observations.remainingMs(lease, clock.monotonic()) === 0;
    const mine = lease.spec.holderIdentity === identity;
    return mine || free ? this.#client.replace(leaseType, this.#claim(lease)) : undefined;
  }

  #claim(current: Lease | undefined) {
    const { name, namespace, identity, clock } = this.#options;
    const now = microTime(clock.now());
    const renewal = current?.spec.holderIdentity === identity;
    const transitions = current?.spec.leaseTransitions ?? 0;
    return {
      metadata: { ...current?.metadata, name, namespace },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: this.#timing.leaseSeconds,
        acquireTime: renewal ? (current.spec.acquireTime ?? now) : now,
        renewTime: now,
        leaseTransitions: renewal || current === undefined ? transitions : transitions + 1,
      },
    };
  }

  async #release(): Promise<void> {
    await this.#renewal;
    const { name, namespace, identity, clock } = this.#options;
    const now = microTime(clock.now());
    try {
      // Unknown after a renewal that failed: it may have arrived all the same.
      const lease = this.#lease ?? (await this.#client.get(leaseType, name, namespace));
      if (lease?.spec.holderIdentity !== identity) return;
      const { leaseTransitions = 0 } = lease.spec;
      const spec = { holderIdentity: '', leaseDurationSeconds: 1, acquireTime: now, renewTime: now, leaseTransitions };
      this.#lease = await this.#client.replace(leaseType, { metadata: lease.metadata, spec });
      this.#tell({ kind: 'released' });
    } catch (error) {
      if (!isConflict(error)) this.#tell({ kind: 'failed', error });
    }
  }

  #follow(leader: string): void {
    if (leader !== '' && leader !== this.#leader && leader !== this.#options.identity) {
      this.#tell({ kind: 'following', leader });
    }
    this.#leader = leader;
  }

  #pause(): number {
    const { random = Math.random } = this.#options;
    return this.#timing.retryMs * (1 + 0.2 * random());
  }

  #tell(notice: ElectionNotice): void {
    this.#options.onNotice?.(notice);
  }
}
