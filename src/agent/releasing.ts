import { durationMs } from '../api/fields.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Host } from '../host/host.ts';
import type { Trust } from '../mesh/takeover/candidates.ts';
import { type Release, type ReleaseInput, releaseOf } from '../mesh/takeover/release.ts';
import type { IpAddress } from '../net/address.ts';
import { cidrBase } from '../net/cidr.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { NodeSync } from './node-sync.ts';

export interface ReleasingOptions {
  readonly node: string;
  readonly host: Pick<Host, 'trackedBySource'>;
  readonly sync: Pick<NodeSync, 'gateway' | 'table' | 'topology'>;
  /** How the best of the other nodes that may take devices over is relied on. */
  readonly taker: () => Trust;
  /** Whether this node reaches Services, as its probe says. */
  readonly reachesServices: () => boolean;
  readonly clock: Clock;
  readonly log: Log;
}

/** Lets go of this node's devices when it is about to go, or is of no use to them: what its report says of each, others act upon. */
export class Releasing {
  readonly #options: ReleasingOptions;
  #leavingSince: number | undefined;
  #unwellSince: number | undefined;
  #endingSince: number | undefined;
  #release: Release = 'none';
  /** Addresses with connections that are open; looked at while those who have none are let go. */
  #busy: ReadonlySet<IpAddress> = new Set();

  constructor(options: ReleasingOptions) {
    this.#options = options;
  }

  /** Why devices are let go for as long as it lasts; undefined where the node is well. */
  get unwell(): string | undefined {
    return this.#release === 'all' && this.#unwellSince !== undefined && this.#endingSince === undefined
      ? 'the node reaches no Services while others do, so its devices are let go to those (see ServicesReachable)'
      : undefined;
  }

  /** Whether a device may go. */
  isReleased(peer: ObjectKey): boolean {
    if (this.#release === 'none') return false;
    return this.#release === 'all' || !this.#addressesOf(peer).some((address) => this.#busy.has(address));
  }

  /**
   * Lets all go, those with open connections last: this program is about to end, and the data plane with it. Where nobody can say who has any, all go at
   * once: to be called costs less than a data plane that ends unannounced.
   */
  async end(): Promise<void> {
    const { clock, log } = this.#options;
    this.#endingSince ??= clock.monotonic();
    try {
      await this.look();
    } catch (error) {
      log.warn({ error }, 'who has connections open cannot be looked at');
      this.#take('all');
    }
  }

  /** Which of its devices the node lets go at present. */
  get release(): Release {
    return this.#release;
  }

  /** Looks at how the node stands; to be called every few seconds. */
  async look(): Promise<void> {
    // A report may be written at any moment, so who has connections open is known before anybody is let go.
    if (this.#judged() === 'idle') this.#busy = await this.#connected();
    this.#take(this.#judged());
  }

  async #connected(): Promise<ReadonlySet<IpAddress>> {
    const pool = this.#options.sync.topology()?.pool ?? [];
    const tracked = await this.#options.host.trackedBySource(pool);
    return new Set([...tracked].flatMap(([address, { established }]) => (established > 0 ? [address] : [])));
  }

  #judged(): Release {
    const { sync, clock, taker, reachesServices } = this.#options;
    const now = clock.monotonic();
    const isLeaving = this.#leaving !== undefined;
    this.#leavingSince = isLeaving ? (this.#leavingSince ?? now) : undefined;
    this.#unwellSince = reachesServices() ? undefined : (this.#unwellSince ?? now);
    const input: ReleaseInput = {
      isLeaving,
      drainMs: durationMs(sync.gateway?.spec.takeover.drain ?? ''),
      leavingSince: this.#leavingSince,
      unwellSince: this.#unwellSince,
      endingSince: this.#endingSince,
      taker: sync.gateway?.spec.takeover.enabled === true ? taker() : 'none',
    };
    return releaseOf(input, now);
  }

  #take(release: Release): void {
    if (release === this.#release) return;
    this.#release = release;
    const facts = { release, reason: this.#leaving?.reason, unwell: this.#unwellSince !== undefined };
    this.#options.log.info(facts, release === 'none' ? 'devices stay' : 'devices are let go');
  }

  get #leaving() {
    const { sync, node } = this.#options;
    return sync.gateway?.status?.leavingNodes?.find((entry) => entry.node === node);
  }

  #addressesOf(peer: ObjectKey): readonly IpAddress[] {
    const { table } = this.#options.sync;
    return table.keysOf(peer).flatMap((key) => table.memberWith(key)?.addresses.map(cidrBase) ?? []);
  }
}
