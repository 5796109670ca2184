import { fileURLToPath } from 'node:url';
import type { Laptop } from '../../lab/laptop.ts';

const PROGRAM = fileURLToPath(new URL('programs/requests.ts', import.meta.url));
export const PER_SECOND = 50;
/** As long as a person, or a program with a common setting, waits for an answer. */
export const PATIENCE_S = 5;

export interface Asked {
  readonly made: number;
  readonly failed: number;
  readonly cut: number;
  readonly longestS: number;
}

/** A laptop's HTTP requests to a Service, each by a connection of its own. */
export class Requests {
  readonly #stopping = new AbortController();
  readonly #ended: Promise<unknown>;
  #text = '';

  constructor(laptop: Laptop, address: string) {
    const argv = [
      process.execPath,
      PROGRAM,
      `http://${address}/`,
      String(1000 / PER_SECOND),
      String(PATIENCE_S * 1000),
    ];
    const onOutput = (text: string) => {
      this.#text += text;
    };
    this.#ended = laptop.exec(argv, { signal: this.#stopping.signal, onOutput }).catch(() => undefined);
  }

  /**
   * Ends it once the last request has its answer; resolves with how many were made, how many of them failed, how many of these had been connected, and the
   * longest that one took, in seconds.
   */
  async stop(): Promise<Asked> {
    const made = this.#lines().length;
    const end = performance.now() + PATIENCE_S * 1000 + 500;
    while (performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 100));
    this.#stopping.abort();
    await this.#ended;
    const lines = this.#lines().slice(0, made);
    const cut = lines.filter((line) => line.startsWith('cut')).length;
    const failed = lines.filter((line) => line.startsWith('failed')).length + cut;
    return { made, failed, cut, longestS: Math.max(0, ...lines.map((line) => Number(line.split(' ')[1]) / 1000)) };
  }

  #lines(): readonly string[] {
    return this.#text.split('\n').filter((line) => line !== '');
  }
}
