import type { Laptop } from './laptop.ts';
import { must } from './mesh.ts';
import type { LabNode } from './node.ts';

/** Somewhere to knock at. */
export interface Door {
  readonly protocol: 'tcp' | 'udp';
  readonly address: string;
  readonly port: number;
  /** The address to knock from; the kernel's choice unless given. */
  readonly source?: string;
}

/** What came back: `open`, an error's code such as ECONNREFUSED, or `silence`; and after how long. */
export interface Heard {
  readonly answer: string;
  readonly ms: number;
}

/** A computer of the lab. */
export type Machine = Pick<Laptop | LabNode, 'exec'>;

/** More than what counts as at once, and than a guest takes for an answer while other clusters start. */
const PATIENCE_MS = 4000;

/** Knocks at all doors at once. */
export async function knock(machine: Machine, doors: readonly Door[]): Promise<readonly Heard[]> {
  const source = `${import.meta.dirname}/knock-source.ts`;
  const printed = must(await machine.exec([process.execPath, source, JSON.stringify(doors), String(PATIENCE_MS)]));
  return JSON.parse(printed) as readonly Heard[];
}

/** Something that answers everybody on a TCP and UDP port of a machine, and remembers who knocked. */
export class Listener {
  readonly #stopping = new AbortController();
  readonly #ended: Promise<unknown>;
  #printed = '';

  private constructor(machine: Machine, port: number, onReady: () => void) {
    const argv = [process.execPath, `${import.meta.dirname}/listener-source.ts`, String(port)];
    const onOutput = (text: string) => {
      this.#printed += text;
      onReady();
    };
    this.#ended = machine.exec(argv, { signal: this.#stopping.signal, onOutput });
    this.#ended.catch(() => undefined);
  }

  /** Resolves once it listens. */
  static async start(machine: Machine, port: number): Promise<Listener> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const listener = new Listener(machine, port, resolve);
    await Promise.race([promise, listener.#ended]);
    if (!listener.#printed.startsWith('ready'))
      throw new Error(`nothing listens on port ${port}: ${listener.#printed}`);
    return listener;
  }

  /** Who knocked since it was asked last: protocol and address, each once. */
  callers(): string[] {
    const lines = this.#printed.split('\n').filter((line) => line !== '' && line !== 'ready');
    this.#printed = '';
    return [...new Set(lines)];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended.catch(() => undefined);
  }
}
