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

  /** Lets all go, those with open connections last: this program is about to end, and the data plane with it. */
  async end(): Promise<void> {
    this.#endingSince ??= this.#options.clock.monotonic();
    await this.look();
  }

  /** Which of its devices the node lets go at present. */
  get release(): Release {
    return this.#release;
  }

  /** Looks at how the node stands; to be called every few seconds. */
  async look(): Promise<void> {
    this.#judge();
    if (this.#release !== 'idle') return;
    const pool = this.#options.sync.topology()?.pool ?? [];
    const tracked = await this.#options.host.trackedBySource(pool);
    this.#busy = new Set([...tracked].flatMap(([address, { established }]) => (established > 0 ? [address] : [])));
  }

  #judge(): void {
    const { sync, node, clock, taker, reachesServices, log } = this.#options;
    const now = clock.monotonic();
    const leaving = sync.gateway?.status?.leavingNodes?.find((entry) => entry.node === node);
    this.#leavingSince = leaving === undefined ? undefined : (this.#leavingSince ?? now);
    this.#unwellSince = reachesServices() ? undefined : (this.#unwellSince ?? now);
    const input: ReleaseInput = {
      isLeaving: leaving !== undefined,
      drainMs: durationMs(sync.gateway?.spec.takeover.drain ?? ''),
      leavingSince: this.#leavingSince,
      unwellSince: this.#unwellSince,
      endingSince: this.#endingSince,
      taker: sync.gateway?.spec.takeover.enabled === true ? taker() : 'none',
    };
    const release = releaseOf(input, now);
    if (release === this.#release) return;
    this.#release = release;
    const facts = { release, reason: leaving?.reason, unwell: this.#unwellSince !== undefined };
    log.info(facts, release === 'none' ? 'devices stay' : 'devices are let go');
  }

  #addressesOf(peer: ObjectKey): readonly IpAddress[] {
    const { table } = this.#options.sync;
    return table.keysOf(peer).flatMap((key) => table.memberWith(key)?.addresses.map(cidrBase) ?? []);
  }
}
