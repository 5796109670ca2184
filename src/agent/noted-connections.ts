import type { CountedElement } from '../dataplane/nftables/counted.ts';
import type { Host } from '../host/host.ts';
import { CARRIED, NO_ROOM } from '../mesh/audit/carried.ts';
import { type AuditNames, connectionLines, mostLines, restLines } from '../mesh/audit/connections.ts';
import { Unaccounted } from '../mesh/audit/left-out.ts';
import type { AuditLine } from '../mesh/audit/line.ts';
import { AUDIT_CHAINS, auditSetNames, type Verdict } from '../mesh/audit/sets.ts';
import { type Sighting, sightingIn, withCarried } from '../mesh/audit/sightings.ts';
import type { Clock } from '../runtime/clock.ts';

export interface NotedConnectionsOptions {
  readonly host: Pick<Host, 'countedBy' | 'takeCounted' | 'takeHalf'>;
  readonly clock: Pick<Clock, 'monotonic'>;
  /** The gateway's table. */
  readonly table: () => string;
  readonly write: (lines: readonly AuditLine[]) => void;
  /** Is told how many lines were written, and for how many connections there was no room. */
  readonly onAudited?: ((verdict: Verdict, lines: number, leftOut: number) => void) | undefined;
}

/** What rules have noted is read this often at most; what goes on for hours rarer than what is refused. */
const EVERY_MS: Readonly<Record<Verdict, number>> = { denied: 2_500, accepted: 12_500 };
/** With so much to tell after a look, the sets might be full before what is let in is looked at again. */
const MUCH = 2_048;
/** It takes at most one part in `SHARE` of the time. */
const SHARE = 10;

/** When a verdict was looked at, in milliseconds, and will be again. */
interface Pace {
  /** Whether there may be something to see. */
  isDue: boolean;
  /** Whether it is looked at as often as what is refused. */
  isHurried: boolean;
  began: number;
  took: number;
}

/** Writes lines about connections from what the rules of a node have noted. While no device sends anything it runs no command. */
export class NotedConnections {
  readonly #options: NotedConnectionsOptions;
  readonly #unaccounted = { denied: new Unaccounted(), accepted: new Unaccounted() };
  readonly #uncarried = new Unaccounted();
  readonly #paces: Readonly<Record<Verdict, Pace>> = { denied: firstPace(), accepted: firstPace() };
  #isLooking = false;

  constructor(options: NotedConnectionsOptions) {
    this.#options = options;
  }

  /** Looks at whichever of these verdicts it is time for; `moved` when devices have sent or been sent something since the last call. */
  async follow(verdicts: readonly Verdict[], moved: boolean, names: () => AuditNames): Promise<void> {
    if (moved) for (const pace of Object.values(this.#paces)) pace.isDue = true;
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      for (const verdict of verdicts) await this.#lookInTime(verdict, names);
    } finally {
      this.#isLooking = false;
    }
  }

  /** Has what was let in looked at as soon as what is refused, once. */
  hurry(): void {
    this.#paces.accepted.isDue = true;
    this.#paces.accepted.isHurried = true;
  }

  async #lookInTime(verdict: Verdict, names: () => AuditNames): Promise<void> {
    const { clock } = this.#options;
    const pace = this.#paces[verdict];
    const began = clock.monotonic();
    const every = EVERY_MS[pace.isHurried ? 'denied' : verdict];
    if (!pace.isDue || began < pace.began + pace.took + Math.max(every, SHARE * pace.took)) return;
    const most = mostLines(began - pace.began);
    Object.assign(pace, { isDue: false, isHurried: false, began });
    try {
      await this.#look(verdict, names, most);
    } catch (error) {
      pace.isDue = true;
      throw error;
    } finally {
      pace.took = clock.monotonic() - began;
    }
  }

  async #look(verdict: Verdict, names: () => AuditNames, most: number): Promise<void> {
    const carried = verdict === 'accepted' ? await this.#takeCarried() : undefined;
    const noted = await this.#takeNoted(verdict);
    const sightings = carried === undefined ? noted.sightings : withCarried(noted.sightings, carried.elements);
    if (carried !== undefined && sightings.length >= MUCH) this.hurry();
    const { lines, leftOut, others } = connectionLines(sightings, names(), most);
    const packets = others.packets + noted.unknown;
    const rest = restLines({ verdict, packets, bytes: others.bytes + (carried?.unknown ?? 0) });
    this.#options.write([...lines, ...leftOut, ...rest]);
    const left = leftOut.reduce((sum, { count }) => sum + count, packets);
    this.#options.onAudited?.(verdict, lines.length, left);
  }

  /** What was noted by first packets; `unknown` tells for how many there was no room. */
  async #takeNoted(verdict: Verdict): Promise<{ readonly sightings: readonly Sighting[]; readonly unknown: number }> {
    const { host, table } = this.#options;
    const unaccounted = this.#unaccounted[verdict];
    const counter = await host.countedBy(table(), AUDIT_CHAINS[verdict]);
    if (counter === undefined || !unaccounted.isNew(counter.packets)) return { sightings: [], unknown: 0 };
    const counted = await host.takeCounted(table(), auditSetNames(verdict));
    const noted = counted.reduce((sum, { packets }) => sum + packets, 0);
    return {
      sightings: counted.flatMap((one) => sightingIn(one) ?? []),
      unknown: unaccounted.take(counter.packets, noted),
    };
  }

  /** What connections have carried; `unknown` tells how many bytes there was no room for. */
  async #takeCarried(): Promise<{ readonly elements: readonly CountedElement[]; readonly unknown: number }> {
    const { host, table } = this.#options;
    const elements = await host.takeHalf(table(), CARRIED);
    const { bytes = 0 } = (await host.countedBy(table(), NO_ROOM)) ?? {};
    return { elements, unknown: this.#uncarried.take(bytes, 0) };
  }
}

function firstPace(): Pace {
  return { isDue: true, isHurried: false, began: Number.NEGATIVE_INFINITY, took: 0 };
}
