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
  #by: string | undefined;
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
    const { clock, onDue } = this.#options;
    const isOwn = by === OWN_PROGRAM && clock.monotonic() < this.#ownUntil;
    if (!isOwn) this.#by = by ?? this.#by;
    if (this.#cancelLook !== undefined) return;
    const wait = this.#contention.waitMs(clock.monotonic());
    if (wait === 0) onDue();
    else
      this.#cancelLook = clock.timer(wait, () => {
        this.#cancelLook = undefined;
        onDue();
      });
  }

  /** Who was heard to change something since it was looked at everything; to be asked before that, for then this agent is heard too. */
  get suspect(): string | undefined {
    return this.#by;
  }

  /** Takes in what was done in a look at everything, and whether that mended what somebody else had changed, and who was suspected before. */
  took(operations: readonly Operation[], mended: boolean, by: string | undefined): void {
    this.#by = undefined;
    // The kernel tells of this agent's own transactions too, by the name of the program that it runs.
    if (operations.some(({ kind }) => kind === 'replace-table'))
      this.#ownUntil = this.#options.clock.monotonic() + OWN_ECHO_MS;
    if (mended) this.#mended(operations, by);
  }

  close(): void {
    this.#cancelLook?.();
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
