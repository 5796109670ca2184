import type { PeerTable } from '../mesh/peer-table.ts';
import type { Clock } from '../runtime/clock.ts';

export interface KeyChangesOptions {
  readonly table: Pick<PeerTable, 'latestPair'>;
  readonly clock: Clock;
  /** Has the interface's peers looked at. */
  readonly onLook: () => void;
}

/** While a device may be about to change its key, its peers are looked at this often: as long as that, at most, nothing of it passes. */
const EVERY_MS = 250;
/** Looks take at most one part in so many of the time, however many peers there are. */
const SHARE = 10;
/** But they are no rarer than any others. */
const RARELY_MS = 3_000;
/** A device has its second key for so long before the ordinary looks are enough for it: whoever is to change soon does so in a minute. */
const CLOSELY_MS = 10 * 60_000;

/** Has peers looked at closely for some minutes after a device was given a second key, and does nothing at all otherwise. */
export class KeyChanges {
  readonly #options: KeyChangesOptions;
  #cancel: (() => void) | undefined;
  /** How long a look at the peers took last, in milliseconds. */
  #took = 0;
  #isClosed = false;

  constructor(options: KeyChangesOptions) {
    this.#options = options;
  }

  /** To be called after every look at the node; with how long it took, when it was one at the peers. */
  follow(tookMs: number = this.#took): void {
    this.#took = tookMs;
    const { table, clock, onLook } = this.#options;
    if (this.#isClosed || this.#cancel !== undefined || clock.now() - table.latestPair > CLOSELY_MS) return;
    this.#cancel = clock.timer(Math.min(Math.max(EVERY_MS, SHARE * tookMs), RARELY_MS), () => {
      this.#cancel = undefined;
      onLook();
    });
  }

  /** Nothing is looked at from now on, whatever ends after this. */
  close(): void {
    this.#isClosed = true;
    this.#cancel?.();
  }
}
