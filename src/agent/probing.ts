import { type Clock, delay } from '../k8s/clock.ts';
import type { ProbeVerdict } from '../mesh/node-status.ts';
import { heard, NOT_PROBED, type ProbeStanding } from '../mesh/probe-standing.ts';
import type { Topology } from '../mesh/topology.ts';
import type { Log } from '../runtime/log.ts';
import type { ServiceProbe } from './service-probe.ts';

export interface ProbingOptions {
  readonly probe: Pick<ServiceProbe, 'run'>;
  readonly clock: Clock;
  readonly log: Log;
  /** What is to be probed; undefined while the node does not hold it. */
  readonly target: () => Topology | undefined;
  /** Is called after each probe. */
  readonly onProbe: () => void;
}

const PROBE_MS = 10_000;
/** Until there is something to probe. */
const NO_TARGET_MS = 200;
/** A failure that nobody expected is looked at again so soon. */
const CONFIRM_MS = 1_000;

/**
 * Probes the node again and again. With the patience of a probe (`PROBE_TIMEOUTS`), a path that swallows everything is told
 * within 25 seconds, the longest being a handshake: 10 until the next probe, 1 until it doubts its session and 5 for a new
 * handshake, and after 1 more a second probe with its 5.
 */
export class Probing {
  readonly #options: ProbingOptions;
  #standing: ProbeStanding = NOT_PROBED;
  #hurry = new AbortController();

  constructor(options: ProbingOptions) {
    this.#options = options;
  }

  /** What the node says of its Services; undefined before it can. */
  get verdict(): ProbeVerdict | undefined {
    return this.#standing.told;
  }

  /** Goes on until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, target } = this.#options;
    while (!signal.aborted) {
      const topology = target();
      if (topology !== undefined) await this.#probe(topology, signal);
      this.#hurry = new AbortController();
      await delay(clock, this.#pause(topology), AbortSignal.any([signal, this.#hurry.signal]));
    }
  }

  /** Has the next probe sent now. */
  hurry(): void {
    this.#hurry.abort();
  }

  #pause(topology: Topology | undefined): number {
    if (topology === undefined) return NO_TARGET_MS;
    return this.#standing.doubted ? CONFIRM_MS : PROBE_MS;
  }

  async #probe(topology: Topology, signal: AbortSignal): Promise<void> {
    const { probe, log, onProbe } = this.#options;
    try {
      const before = this.#standing;
      const verdict = await probe.run(topology, signal);
      this.#standing = heard(before, verdict);
      if (this.#standing.doubted) log.info({ ...verdict }, 'probe failed; another one decides');
      else if (before.told?.reason !== verdict.reason) log.info({ ...verdict }, 'probe');
      onProbe();
    } catch (error) {
      if (!signal.aborted) log.error({ error }, 'probe not sent');
    }
  }
}
