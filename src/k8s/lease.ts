import type { Lease } from '../api/core.ts';
import { leaseType } from '../api/core.ts';
import { keyOf, type ObjectKey, type OwnerReference } from '../api/resource.ts';
import { type Backoff, backoffMs } from './backoff.ts';
import type { Client } from './client.ts';
import { type Clock, delay } from './clock.ts';

/** A time as Lease and Event want it: microseconds, or the server refuses it. */
export function microTime(epochMs: number): string {
  return new Date(epochMs).toISOString().replace('Z', '000Z');
}

/**
 * Which leases are alive, judged by this machine's monotonic clock alone: a lease lives for its own duration after its
 * last change was seen here. Clocks of other machines, which wrote `renewTime`, are never compared with ours.
 */
export class LeaseObservations {
  readonly #seen = new Map<ObjectKey, { readonly text: string; readonly at: number }>();

  /** Notes a lease as read at a monotonic time. */
  observe(lease: Lease, at: number): void {
    const key = keyOf(lease.metadata);
    const text = JSON.stringify([lease.metadata.uid, lease.spec]);
    if (this.#seen.get(key)?.text !== text) this.#seen.set(key, { text, at });
  }

  forget(key: ObjectKey): void {
    this.#seen.delete(key);
  }

  /** For how many milliseconds the lease is still good; 0 when it ended, was released or was never seen. */
  remainingMs(lease: Lease, now: number): number {
    const seen = this.#seen.get(keyOf(lease.metadata));
    if (seen === undefined || !lease.spec.holderIdentity) return 0;
    return Math.max(0, seen.at + (lease.spec.leaseDurationSeconds ?? 0) * 1000 - now);
  }
}

export interface HeartbeatOptions {
  readonly name: string;
  readonly namespace: string;
  readonly labels?: Readonly<Record<string, string>>;
  /** Who lives: becomes holderIdentity. */
  readonly identity: string;
  /** Removed by the garbage collector together with the lease's owner. */
  readonly owner?: OwnerReference;
  readonly fieldManager: string;
  /** How often it beats (default 10 s), and how long a beat counts (default 40 s). */
  readonly everyMs?: number;
  readonly leaseSeconds?: number;
  readonly clock: Clock;
  readonly random?: () => number;
  readonly signal: AbortSignal;
  /** A beat failed; the next one comes at its time. */
  readonly onFailure?: (error: unknown) => void;
}

/** After a failed beat the next one comes sooner, so that one request that nobody answers does not look like death. */
const BEAT_AGAIN: Backoff = { firstMs: 1_000, factor: 2, capMs: 10_000, jitter: 0.1 };

/**
 * Renews a Lease as a sign of life until the signal is aborted. Resolves then; never rejects. The client's timeout is to be well
 * below `leaseSeconds`.
 */
export async function heartbeat(client: Client, options: HeartbeatOptions): Promise<void> {
  const { clock, signal, everyMs = 10_000, random = Math.random } = options;
  let failures = 0;
  while (!signal.aborted) {
    try {
      await client.apply(leaseType, beat(options), { fieldManager: options.fieldManager });
      failures = 0;
    } catch (error) {
      failures += 1;
      options.onFailure?.(error);
    }
    const wait = failures === 0 ? everyMs * (0.9 + 0.2 * random()) : backoffMs(BEAT_AGAIN, failures, random());
    await delay(clock, wait, signal);
  }
}

function beat({ name, namespace, labels, owner, identity, leaseSeconds = 40, clock }: HeartbeatOptions) {
  return {
    metadata: {
      name,
      namespace,
      ...(labels === undefined ? {} : { labels }),
      ...(owner === undefined ? {} : { ownerReferences: [owner] }),
    },
    spec: { holderIdentity: identity, leaseDurationSeconds: leaseSeconds, renewTime: microTime(clock.now()) },
  };
}
