import type { ForeignRuleset } from '../dataplane/nftables/foreign.ts';
import type { Names } from '../dataplane/node-plan.ts';
import type { Host } from '../host/host.ts';
import type { ProbeVerdict } from '../mesh/node-status.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';

export interface ForeignRulesOptions {
  readonly host: Pick<Host, 'observeForeignRules'>;
  readonly names: Names;
  readonly clock: Clock;
  readonly log: Log;
  /** Is called after each look. */
  readonly onLook: () => void;
}

/** What others filter explains failures and is seldom changed, so it is looked at rarely, and more often while a probe fails. */
const WELL_MS = 300_000;
const FAILING_MS = 60_000;

/** Looks now and then at what other programs of the node filter: when a probe begins to fail or to succeed, and by these times. */
export class ForeignRules {
  /** As of the last look; undefined before the first. */
  found: ForeignRuleset | undefined;
  readonly #options: ForeignRulesOptions;
  #told: ProbeVerdict['reason'] | undefined;
  #dueAt = Number.NEGATIVE_INFINITY;

  constructor(options: ForeignRulesOptions) {
    this.#options = options;
  }

  /** Takes note of what the node now says of its Services, and looks if it is time to. Never rejects. */
  async probed(verdict: ProbeVerdict | undefined): Promise<void> {
    const { host, names, clock, log, onLook } = this.#options;
    const now = clock.monotonic();
    if (verdict?.reason === this.#told && now < this.#dueAt) return;
    this.#told = verdict?.reason;
    const isWell = verdict === undefined || verdict.reason === 'ProbeSucceeded' || verdict.reason === 'NotProbed';
    this.#dueAt = now + (isWell ? WELL_MS : FAILING_MS);
    try {
      this.found = await host.observeForeignRules(names);
    } catch (error) {
      log.warn({ error }, "other programs' rules could not be read");
    }
    onLook();
  }
}
