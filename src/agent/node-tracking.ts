import { isDeepStrictEqual } from 'node:util';
import type { Host } from '../host/host.ts';
import { type Clock, delay } from '../k8s/clock.ts';
import {
  type FullDevice,
  fullDevices,
  holders,
  isNearlyFull,
  mayBeFull,
  type TrackingStanding,
} from '../mesh/connection-tracking.ts';
import type { PeerTable } from '../mesh/peer-table.ts';
import type { Cidr } from '../net/cidr.ts';
import type { Log } from '../runtime/log.ts';

export interface TrackingBounds {
  readonly pool: readonly Cidr[];
  readonly limit: number;
}

export interface NodeTrackingOptions {
  readonly host: Pick<Host, 'observeTracking' | 'trackedBySource'>;
  readonly table: Pick<PeerTable, 'memberAt'>;
  /** From where devices come, and how many connections each may have open, 0 for any number; undefined while nobody knows. */
  readonly bounds: () => TrackingBounds | undefined;
  readonly clock: Clock;
  readonly log: Log;
  /** Is called after each look. */
  readonly onLook: () => void;
  /** Is called when other devices than before have as many connections open as they may; with those that had not. */
  readonly onFull: (added: readonly FullDevice[]) => void;
}

/** A reading is two small files. */
const LOOK_MS = 5_000;
/** Until it is known whose entries are looked for. */
const NO_BOUNDS_MS = 200;
/** Walking through all entries takes at most one part in so many of the time, however many they are. */
const SHARE = 10;
/** Who has most of a node that is nearly full is told so seldom: each time is a write. */
const HOLDERS_MS = 300_000;

/**
 * Follows how full the node's connection tracking is, and which devices have as much of it as they may. Nobody has more than all together:
 * so as long as the node has fewer entries than one device may, nobody walks through them.
 */
export class NodeTracking {
  /** As of the last look; undefined before the first, and where the kernel tracks nothing. */
  standing: TrackingStanding | undefined;
  /** The devices that may open no more, as of the last walk. */
  full: readonly FullDevice[] = [];
  readonly #options: NodeTrackingOptions;
  #walkAt = Number.NEGATIVE_INFINITY;
  #holdersAt = Number.NEGATIVE_INFINITY;

  constructor(options: NodeTrackingOptions) {
    this.#options = options;
  }

  /** Goes on until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.look();
      const { clock, bounds } = this.#options;
      await delay(clock, bounds() === undefined ? NO_BOUNDS_MS : LOOK_MS, signal);
    }
  }

  /** Looks once. Never rejects: a node that cannot be looked at goes on with what was known. */
  async look(): Promise<void> {
    const { host, log, onLook } = this.#options;
    try {
      const reading = await host.observeTracking();
      if (reading === undefined) return;
      const { isNearlyFull: before = false, holders: known } = this.standing ?? {};
      const nearlyFull = isNearlyFull(reading, before);
      this.standing = { reading, isNearlyFull: nearlyFull, holders: nearlyFull ? known : undefined };
      if (nearlyFull && !before) this.#holdersAt = this.#walkAt = Number.NEGATIVE_INFINITY;
      await this.#follow(this.standing);
    } catch (error) {
      log.warn({ error }, 'connection tracking could not be looked at');
    }
    onLook();
  }

  async #follow(standing: TrackingStanding): Promise<void> {
    const { clock } = this.#options;
    const bounds = this.#options.bounds();
    if (bounds === undefined) return;
    const { limit } = bounds;
    const wantsFull = mayBeFull(standing.reading, limit, this.full);
    if (!wantsFull) this.#take([]);
    const now = clock.monotonic();
    const wantsHolders = standing.isNearlyFull && now >= this.#holdersAt;
    if ((wantsFull && now >= this.#walkAt) || wantsHolders) await this.#walk(standing, bounds, wantsHolders);
  }

  async #walk(standing: TrackingStanding, { pool, limit }: TrackingBounds, wantsHolders: boolean): Promise<void> {
    const { host, table, clock } = this.#options;
    const began = clock.monotonic();
    const tracked = await host.trackedBySource(pool);
    const ended = clock.monotonic();
    this.#walkAt = ended + (ended - began) * SHARE;
    if (limit > 0) this.#take(fullDevices(tracked, limit, table, this.full));
    if (!wantsHolders) return;
    this.#holdersAt = ended + HOLDERS_MS;
    this.standing = { ...standing, holders: holders(tracked, standing.reading, table) };
  }

  #take(full: readonly FullDevice[]): void {
    const before = this.full;
    if (isDeepStrictEqual(full, before)) return;
    this.full = full;
    const known = new Set(before.map(({ peer }) => peer));
    this.#options.onFull(full.filter(({ peer }) => !known.has(peer)));
  }
}
