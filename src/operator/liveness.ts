import type { Lease } from '../api/core.ts';
import { keyOf, type ObjectKey } from '../api/resource.ts';
import { milliseconds } from '../api/timestamp.ts';
import type { Clock } from '../runtime/clock.ts';

interface Sighting {
  readonly renewTime: string | undefined;
  readonly durationMs: number;
  readonly seenAt: number;
}

/** A Lease so old at first sight that its holder was gone before this operator started, even if clocks differ by minutes. */
const LONG_GONE_MS = 5 * 60_000;

/**
 * Which agents live, by their Leases. A Lease counts as renewed when its text changes under our eyes, by our own monotonic clock:
 * a node whose wall clock is wrong is not a dead node.
 */
export class Liveness {
  readonly #clock: Clock;
  readonly #sightings = new Map<ObjectKey, Sighting>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes a Lease's present state, or its absence, into account; returns whether its holder's liveness changed. */
  set(key: ObjectKey, lease: Lease | undefined): boolean {
    const before = this.isAlive(key);
    if (lease === undefined) this.#sightings.delete(key);
    else this.#see(key, lease);
    return this.isAlive(key) !== before;
  }

  isAlive(key: ObjectKey): boolean {
    const sighting = this.#sightings.get(key);
    return sighting !== undefined && this.#clock.monotonic() < sighting.seenAt + sighting.durationMs;
  }

  /** Milliseconds until the next of these Leases runs out unless renewed; undefined when none is alive. */
  nextExpiryIn(keys: Iterable<ObjectKey>): number | undefined {
    const now = this.#clock.monotonic();
    const remaining = [...keys].flatMap((key) => {
      const sighting = this.#sightings.get(key);
      const left = sighting === undefined ? 0 : sighting.seenAt + sighting.durationMs - now;
      return left > 0 ? [left] : [];
    });
    return remaining.length === 0 ? undefined : Math.min(...remaining);
  }

  #see(key: ObjectKey, lease: Lease): void {
    const { renewTime, holderIdentity, leaseDurationSeconds = 0 } = lease.spec;
    const before = this.#sightings.get(key);
    if (before !== undefined && before.renewTime === renewTime) return;
    const stale = before === undefined && this.#clock.now() - milliseconds(renewTime ?? '') > LONG_GONE_MS;
    const released = (holderIdentity ?? '') === '';
    const durationMs = stale || released ? 0 : leaseDurationSeconds * 1000;
    this.#sightings.set(key, { renewTime, durationMs, seenAt: this.#clock.monotonic() });
  }
}

/** The key of the Lease beside a report: the two bear one name. */
export function leaseKeyOf(report: {
  readonly metadata: { readonly name: string; readonly namespace?: string | undefined };
}): ObjectKey {
  return keyOf(report.metadata);
}
