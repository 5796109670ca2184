import { Dials, now } from '../bench/laptop/dials.ts';
import { Flood, type Loss } from '../bench/loss/flood.ts';
import type { Laptop } from '../lab/laptop.ts';
import { poll } from '../lab/progress.ts';
import { askSoonAndLong, Traffic } from '../lab/traffic.ts';
import { PACKETS_PER_SECOND, PATIENCE_S, type Seen } from './promise.ts';

/** Longer than any promise for what people use. */
const RECOVERY_MS = 90_000;
/** Between two answers of new connections it may take so long on a busy machine (outage.ts). */
const USUAL_MS = 500;

/** What the load noticed of a while, and when new connections were answered again, on the clock of `now`. */
export type Carried = Omit<Seen, 'seconds' | 'lost'> & { readonly answeredAt: number };

/** A flow of datagrams, new HTTP connections and one that stays, from a laptop to a Service, until it is stopped. */
export class Load {
  readonly #flood: Flood;
  readonly #dials: Dials;
  readonly #again: () => Traffic;
  #stream: Traffic;

  private constructor(laptop: Laptop, address: string) {
    this.#flood = new Flood(laptop, address, 80, PACKETS_PER_SECOND);
    this.#dials = new Dials(laptop, address, { patienceMs: PATIENCE_S * 1000, kind: 'http' });
    this.#again = () => new Traffic(laptop, 'stream', address);
    this.#stream = this.#again();
  }

  /** Resolves once all of it is answered. */
  static async start(laptop: Laptop, address: string): Promise<Load> {
    await askSoonAndLong(laptop);
    const load = new Load(laptop, address);
    await load.flows();
    return load;
  }

  /** Waits until all of it is answered. @throws when that does not come */
  async flows(): Promise<void> {
    await this.#flood.flows();
    // On its way back from another node the laptop has lost the connection that it had there.
    await this.#streamEnded();
  }

  /** What it notices of something, from the beginning until new connections are answered again. @throws when that does not come */
  async during(act: () => Promise<unknown>): Promise<Carried> {
    const since = now();
    let answeredAt = since;
    const packets: Loss = await this.#flood.during(async () => {
      await act();
      const { ms, overAt } = await this.#dials.mended(since, RECOVERY_MS);
      if (overAt === undefined) throw new Error(`new connections have had no answer for ${(ms / 1000).toFixed(0)} s`);
      if (ms > USUAL_MS) answeredAt = overAt;
    });
    const requests = await this.#dials.dialled(since, now());
    const streamEnded = await this.#streamEnded();
    return { packets, requests, streamEnded, answeredAt };
  }

  async stop(): Promise<void> {
    await Promise.all([this.#flood, this.#dials, this.#stream].map((each) => each.stop()));
  }

  /** Why the connection that stays has ended, if it has; then another one takes its place. @throws when it neither ends nor is answered */
  async #streamEnded(): Promise<string | undefined> {
    const stream = this.#stream;
    const asked = Date.now();
    const isAnswered = () => stream.answersAfter(asked).length > 0;
    await poll('an answer on the open connection', async () => (stream.closed || isAnswered() ? true : undefined));
    if (stream.closed === undefined) return undefined;
    await stream.stop();
    this.#stream = this.#again();
    await this.#stream.answerAfter(0);
    return stream.closed.reason;
  }
}
