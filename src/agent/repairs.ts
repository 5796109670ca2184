import type { MeshGateway } from '../api/meshgateway.ts';
import type { Names } from '../dataplane/node-plan.ts';
import { describeOperation, type Operation } from '../dataplane/operation.ts';
import type { EventRecorder } from '../k8s/events.ts';
import { Contention, contestText } from '../mesh/contest.ts';
import type { Clock } from '../runtime/clock.ts';

export interface RepairsOptions {
  readonly node: string;
  readonly sync: { readonly gateway: MeshGateway | undefined; readonly names: Names };
  readonly clock: Clock;
  readonly events: EventRecorder;
  /** What somebody has changed is to be looked at. */
  readonly onDue: () => void;
  /** Something was mended. */
  readonly onMended?: (() => void) | undefined;
}

const OWN_PROGRAM = 'nft';
/** So long after a transaction of this agent's the kernel may tell of it, in milliseconds. */
const OWN_ECHO_MS = 1_000;

/** What other hands change on the node: when it is looked at, and what is told of its being mended. */
export class Repairs {
  readonly #options: RepairsOptions;
  readonly #contention = new Contention();
  /** Who was heard to change something since the last look began. */
  #heard: string | undefined;
  /** Who was before, and has not been told yet. */
  #suspect: string | undefined;
  #isLooking = false;
  #isHeardMeanwhile = false;
  #ownUntil = 0;
  #cancelLook: (() => void) | undefined;

  constructor(options: RepairsOptions) {
    this.#options = options;
  }

  /** Why the node may not be as it should for as long as somebody undoes what it makes; undefined where nobody does. */
  get contested(): string | undefined {
    const contest = this.#contention.contest(this.#options.clock.monotonic());
    if (contest === undefined) return undefined;
    const { device, other, table } = this.#options.sync.names;
    return contestText(
      contest,
      `the interfaces ${device} and ${other} with their addresses and routes, and the nftables table inet ${table}`,
    );
  }

  /** Something has changed, by a program that the kernel names or does not. */
  heard(by: string | undefined): void {
    const { clock } = this.#options;
    // Of two hands the one is told that cannot be this agent's.
    const isUnclear = by === OWN_PROGRAM && (this.#heard !== undefined || clock.monotonic() < this.#ownUntil);
    if (!isUnclear) this.#heard = by ?? this.#heard;
    // Whether it is to wait is known once it is known whether this look mends anything.
    if (this.#isLooking) this.#isHeardMeanwhile = true;
    else this.#lookSoon();
  }

  /** A look begins. Who is heard while it goes on, and is not this agent, undoes what it mends. */
  looks(): void {
    this.#suspect = this.#heard ?? this.#suspect;
    this.#heard = undefined;
    this.#isLooking = true;
  }

  /** The look has ended. What one did that failed nobody has told, so the table may be its own work. */
  looked(isWell: boolean): void {
    this.#isLooking = false;
    if (!isWell) {
      if (this.#heard === OWN_PROGRAM) this.#heard = undefined;
      this.#ownUntil = this.#options.clock.monotonic() + OWN_ECHO_MS;
    }
    if (this.#isHeardMeanwhile) this.#lookSoon();
    this.#isHeardMeanwhile = false;
  }

  /** Takes in what a look did, before it ends, and whether that mended what somebody else had changed. */
  took(operations: readonly Operation[], mended: boolean): void {
    const by = this.#suspect;
    this.#suspect = undefined;
    if (this.#heard === OWN_PROGRAM) this.#heard = undefined;
    // The kernel tells of this agent's own transactions too, by the name of the program that it runs.
    if (operations.some(({ kind }) => kind === 'replace-table'))
      this.#ownUntil = this.#options.clock.monotonic() + OWN_ECHO_MS;
    if (mended) this.#mended(operations, by);
  }

  close(): void {
    this.#cancelLook?.();
  }

  #lookSoon(): void {
    const { clock, onDue } = this.#options;
    if (this.#cancelLook !== undefined) return;
    const wait = this.#contention.waitMs(clock.monotonic());
    if (wait === 0) onDue();
    else
      this.#cancelLook = clock.timer(wait, () => {
        this.#cancelLook = undefined;
        onDue();
      });
  }

  #mended(operations: readonly Operation[], by: string | undefined): void {
    const { clock, events, node, sync, onMended } = this.#options;
    onMended?.();
    const steps = operations.map(describeOperation).join('; ');
    const isContestedNow = this.#contention.mended(steps, by, clock.monotonic());
    const regarding = sync.gateway;
    if (regarding === undefined) return;
    const hand = by === undefined ? 'somebody' : by;
    events.record({
      regarding,
      type: 'Warning',
      reason: 'DriftMended',
      action: 'Mend',
      note: `On node ${node} ${hand} changed what this gateway had made; mended: ${steps}.`,
    });
    const { contested } = this;
    if (!isContestedNow || contested === undefined) return;
    events.record({
      regarding,
      type: 'Warning',
      reason: 'DriftContested',
      action: 'GiveWay',
      note: `On node ${node}: ${contested}`,
    });
  }
}
