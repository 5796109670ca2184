import { join } from 'node:path';
import type { Laptop } from '../../lab/laptop.ts';
import { type Gap, withGap } from './gaps.ts';

const SOURCE = join(import.meta.dirname, 'flood-source.ts');
/** As soon as so many in a row all had an echo, the flow flows. */
const STEADY = 500;
/** A stock client shakes hands anew 15 s after its last answer. */
const RECOVERY_MS = 60_000;

/** Datagrams of a while. */
export interface Loss {
  readonly sent: number;
  /** Those that had no echo. */
  readonly lost: number;
  /** How long the slowest echo took, in milliseconds. */
  readonly slowest: number;
  /** When it began, in milliseconds since 1970, and when those were sent that had no echo. */
  readonly since: number;
  readonly gaps: readonly Gap[];
}

/** A laptop's steady flow of datagrams to an echo behind a Service. */
export class Flood {
  readonly #stopping = new AbortController();
  readonly #ended: Promise<unknown>;
  /** As flood-source.ts told last. */
  #told = { sent: 0, lost: 0, decided: 0 };
  #slowest = 0;
  #gaps: readonly Gap[] = [];
  #rest = '';
  #failure: unknown;
  #heard: () => void = () => undefined;

  constructor(laptop: Laptop, address: string, port: number, perSecond: number) {
    const argv = [process.execPath, SOURCE, address, String(port), String(perSecond)];
    const onOutput = (text: string) => this.#take(text);
    this.#ended = laptop.exec(argv, { signal: this.#stopping.signal, onOutput }).then(
      ({ stderr }) => this.#end(new Error(`the flow ended: ${stderr}`)),
      (error: unknown) => this.#end(error),
    );
  }

  /** What was lost of what was sent from now until the act has ended. */
  async during(act: () => Promise<unknown>): Promise<Loss> {
    await this.#decided(this.#told.sent);
    const before = this.#told;
    const since = Date.now();
    this.#slowest = 0;
    this.#gaps = [];
    await act();
    const { sent } = this.#told;
    await this.#decided(sent);
    const [slowest, gaps] = [this.#slowest, this.#gaps];
    return { sent: sent - before.sent, lost: this.#told.lost - before.lost, slowest, since, gaps };
  }

  /** Waits until datagrams have their echoes. @throws when that does not come */
  async flows(): Promise<void> {
    const end = performance.now() + RECOVERY_MS;
    for (let lost = -1; lost !== this.#told.lost; ) {
      const { sent } = this.#told;
      lost = this.#told.lost;
      if (performance.now() > end) throw new Error(`the flow does not recover: ${lost} of ${sent} lost`);
      await this.#decided(sent + STEADY);
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
  }

  /** Resolves when all before this number have had their echo, or have been given up. */
  async #decided(number: number): Promise<void> {
    while (this.#told.decided < number) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  #take(text: string): void {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const [sent = 0, lost = 0, decided = 0, slowest = 0] = line.split(' ').map(Number);
      this.#told = { sent, lost, decided };
      this.#slowest = Math.max(this.#slowest, slowest);
      for (const gap of gapsIn(line)) this.#gaps = withGap(this.#gaps, gap);
    }
    this.#heard();
  }

  #end(failure: unknown): void {
    this.#failure = failure;
    this.#heard();
  }
}

function gapsIn(line: string): readonly Gap[] {
  return line
    .split(' ')
    .slice(4)
    .map((word) => {
      const [from = 0, to = 0, packets = 0] = word.split('/').map(Number);
      return { from, to, packets };
    });
}
