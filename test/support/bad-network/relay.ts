import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Commands, Running } from '../../../src/host/exec.ts';
import type { NatRules } from './nat.ts';
import type { Conditions } from './path.ts';

const PROGRAM = join(import.meta.dirname, 'relay-program.ts');
const CONTROL = 'control.sock';

/** Datagrams so far: come in and gone out in each direction, and the ports that the translator has used. */
export interface RelayCounts {
  readonly up: number;
  readonly down: number;
  readonly deliveredUp: number;
  readonly deliveredDown: number;
  readonly mappings: number;
  /** Mappings that the translator remembers now. */
  readonly remembered: number;
}

export interface RelayOptions {
  /** Of the namespace that it runs in: the sender's or the receiver's. */
  readonly commands: Commands;
  /** Where it listens there, at 127.0.0.1. */
  readonly port: number;
  /** Where it sends to. */
  readonly target: { readonly address: string; readonly port: number };
  readonly seed: number;
}

/** A UDP path between two namespaces that is as bad as it is told to be; see relay-program.ts. Perfect at first. */
export class Relay {
  readonly #running: Running;
  readonly #folder: string;

  private constructor(running: Running, folder: string) {
    this.#running = running;
    this.#folder = folder;
  }

  /** @throws with what the relay said, when it cannot listen */
  static async start({ commands, port, target, seed }: RelayOptions): Promise<Relay> {
    const folder = await mkdtemp(join(tmpdir(), 'sallyport-relay-'));
    const ready = Promise.withResolvers<void>();
    const words = [port, target.address, target.port, seed, join(folder, CONTROL)].map(String);
    const running = commands.start([process.execPath, PROGRAM, ...words], () => ready.resolve());
    void running.exited.then(({ stderr }) => ready.reject(new Error(`the relay ended: ${stderr}`)));
    await ready.promise;
    return new Relay(running, folder);
  }

  /** Changes these conditions in both directions; the others stay. */
  both(conditions: Partial<Conditions>): Promise<RelayCounts> {
    return this.#tell({ up: conditions, down: conditions });
  }

  /** Changes conditions in one direction: `up` is away from whoever dials. */
  only(direction: 'up' | 'down', conditions: Partial<Conditions>): Promise<RelayCounts> {
    return this.#tell({ [direction]: conditions });
  }

  /** How the translator forgets. */
  translate(nat: NatRules): Promise<RelayCounts> {
    return this.#tell({ nat });
  }

  /** Every sender gets another port from now on, and answers to the former ones are lost. */
  rebind(): Promise<RelayCounts> {
    return this.#tell({ rebind: true });
  }

  counts(): Promise<RelayCounts> {
    return this.#tell({});
  }

  async stop(): Promise<void> {
    await this.#running.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }

  async #tell(order: object): Promise<RelayCounts> {
    const socket = connect(join(this.#folder, CONTROL));
    try {
      socket.write(`${JSON.stringify(order)}\n`);
      for await (const line of createInterface({ input: socket })) return JSON.parse(line) as RelayCounts;
      throw new Error('the relay did not answer');
    } finally {
      socket.destroy();
    }
  }
}
