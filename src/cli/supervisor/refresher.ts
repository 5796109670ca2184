import { setTimeout as delay } from 'node:timers/promises';
import type { ClientConfiguration } from '../../mesh/client-configuration.ts';
import { addressFamily, type IpAddress } from '../../net/address.ts';
import { askGateway } from './refresh.ts';

export interface RefresherOptions {
  /** The gateways' mesh addresses now, in the order in which they are asked. */
  readonly addresses: () => readonly IpAddress[];
  /** The device's own mesh addresses, from which alone it asks. */
  readonly from: () => readonly IpAddress[];
  /** Takes what a gateway told; it is asked for anew when this throws. */
  readonly take: (configuration: ClientConfiguration) => Promise<void>;
  readonly log: (text: string) => void;
}

/** A gateway is asked this often what this device should know: ten thousand devices are some 300 questions a second to all nodes together. */
const EVERY_MS = 30_000;
/** After a question that nobody answered, the next one. */
const AGAIN_MS = 10_000;

/** Asks the gateways from time to time for this device's configuration, and at once when it is told that there may be another. */
export class Refresher {
  readonly #options: RefresherOptions;
  #etag: string | undefined;
  #refreshedAt: Date | undefined;
  #awake = new AbortController();
  #problem: string | undefined;

  constructor(options: RefresherOptions) {
    this.#options = options;
  }

  /** When a gateway last answered. */
  get refreshedAt(): Date | undefined {
    return this.#refreshedAt;
  }

  /** Asks now. */
  wake(): void {
    this.#awake.abort();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      this.#awake = new AbortController();
      const answered = await this.#refresh();
      const until = AbortSignal.any([signal, this.#awake.signal]);
      await delay(answered ? EVERY_MS : AGAIN_MS, undefined, { signal: until }).catch(() => undefined);
    }
  }

  /** Asks the gateways in turn until one tells. Says whether one did. */
  async #refresh(): Promise<boolean> {
    for (const address of this.#options.addresses()) {
      const from = this.#options.from().find((own) => addressFamily(own) === addressFamily(address));
      if (from === undefined) continue;
      try {
        const told = await askGateway({ address, from }, this.#etag);
        if (told.kind === 'new') await this.#options.take(told.configuration);
        if (told.kind === 'new') this.#etag = told.etag;
        this.#refreshedAt = new Date();
        this.#problem = undefined;
        return true;
      } catch (error) {
        this.#tell(error instanceof Error ? error.message : String(error));
      }
    }
    return false;
  }

  /** The same problem again is no news. */
  #tell(problem: string): void {
    if (problem !== this.#problem) this.#options.log(`the configuration was not refreshed: ${problem}`);
    this.#problem = problem;
  }
}
