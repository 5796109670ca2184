import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Running } from '../../../src/host/exec.ts';
import type { Namespace } from '../../netns/namespace.ts';

const SOURCE = join(import.meta.dirname, 'drain-source.ts');

interface Mark {
  readonly ms: number;
  readonly bytes: number;
}

/** One TCP connection that brings as much as it can until it is stopped. */
export class Drain {
  readonly #running: Running;
  readonly #marks: Mark[] = [];

  constructor(namespace: Namespace, url: string) {
    this.#running = namespace.commands.start([process.execPath, SOURCE, url], (line) => {
      const [microseconds, bytes] = line.split(' ');
      this.#marks.push({ ms: Number(microseconds) / 1000, bytes: Number(bytes) });
    });
  }

  /** Bits per second during the next so many milliseconds. @throws when nothing came meanwhile */
  async sample(ms: number): Promise<number> {
    const begun = this.#marks.length;
    await delay(ms);
    const [first, last] = [this.#marks[begun], this.#marks.at(-1)];
    if (first === undefined || last === undefined || last.bytes === first.bytes)
      throw new Error(`nothing came in ${ms} ms`);
    return (8 * (last.bytes - first.bytes)) / ((last.ms - first.ms) / 1000);
  }

  stop(): Promise<void> {
    return this.#running.stop();
  }
}
