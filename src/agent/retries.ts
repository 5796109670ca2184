import type { NodeFailure } from '../mesh/node-status.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { failureOf } from './failure.ts';

export interface RetriesOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** The next try is due. */
  readonly onDue: () => void;
}

/** One after the other, the last again and again. */
const WAITS_MS = [1_000, 2_000, 5_000, 10_000, 30_000] as const;

/** Why the node is not where it should be, and when that is tried again; the data plane stays as it is meanwhile. */
export class Retries {
  readonly #options: RetriesOptions;
  #failure: NodeFailure | undefined;
  #failures = 0;
  #dueAt = 0;
  #cancel: () => void = () => undefined;

  constructor(options: RetriesOptions) {
    this.#options = options;
  }

  /** Undefined while the last try went well. */
  get failure(): NodeFailure | undefined {
    return this.#failure;
  }

  /** Whether something has failed and its time to be tried again has not come. */
  get isWaiting(): boolean {
    return this.#isWaiting(this.#options.clock.monotonic());
  }

  /** Takes in what failed in a turn that began then. Where a retry was waited for then, that is not put off. */
  failed(error: unknown, began: number): void {
    const { clock, log, onDue } = this.#options;
    const wasWaiting = this.#isWaiting(began);
    this.#failure = failureOf(error);
    if (!wasWaiting) {
      const wait = WAITS_MS[Math.min(this.#failures, WAITS_MS.length - 1)] ?? WAITS_MS[0];
      this.#failures += 1;
      this.#dueAt = clock.monotonic() + wait;
      this.#cancel();
      this.#cancel = clock.timer(wait, onDue);
    }
    const retryInMs = Math.max(0, Math.round(this.#dueAt - clock.monotonic()));
    log.error({ error, failures: this.#failures, retryInMs }, 'the node is not where it should be');
  }

  succeeded(): void {
    if (this.#failure !== undefined) this.#options.log.info({}, 'recovered');
    this.#failure = undefined;
    this.#failures = 0;
  }

  close(): void {
    this.#cancel();
  }

  #isWaiting(at: number): boolean {
    return this.#failure !== undefined && at < this.#dueAt;
  }
}
