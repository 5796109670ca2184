import type { Clock } from '../runtime/clock.ts';
import type { GrantedAccess } from './granted-access.ts';
import type { NodeSync } from './node-sync.ts';

export interface ExpiryOptions {
  readonly sync: Pick<NodeSync, 'takeExpiry' | 'table'>;
  readonly access: Pick<GrantedAccess, 'nextEnd'>;
  readonly clock: Clock;
  /** Somebody has expired, or something that was granted has ended. */
  readonly onExpired: () => void;
}

/** One timer for the next expiry of a device or a grant: revocation must not depend on anybody telling. */
export class Expiry {
  readonly #options: ExpiryOptions;
  #cancel: () => void = () => undefined;

  constructor(options: ExpiryOptions) {
    this.#options = options;
  }

  /**
   * What expires next may be another. What is over by now is taken in by the same look at the clock, since no later timer tells of it: a timer may be
   * early, or be replaced while it is due.
   */
  arm(): void {
    const { sync, access, clock, onExpired } = this.#options;
    this.#cancel();
    const now = clock.now();
    if (sync.takeExpiry(now)) onExpired();
    const next = Math.min(sync.table.nextExpiry(), access.nextEnd(now));
    if (next === Number.POSITIVE_INFINITY) return;
    this.#cancel = clock.timer(next - now, () => this.arm());
  }

  close(): void {
    this.#cancel();
  }
}
