import { closeSync, openSync, readSync } from 'node:fs';
import type { Counters } from '../../laptop/path/silence.ts';

/** All interfaces of this process's own network namespace, a line each; below /sys there may be those of another one. */
const FILE = '/proc/self/net/dev';
const BUFFER_BYTES = 64 * 1024;

/** Reads what an interface has carried from a file that stays open: it is done ten times a second. Close it at the end. */
export class CounterReader {
  readonly #file: number;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);

  /** @throws where the kernel has no such file, as other systems than Linux do */
  constructor(file: string = FILE) {
    this.#file = openSync(file, 'r');
  }

  /** Undefined while there is no such interface. */
  read(device: string): Counters | undefined {
    return countersIn(this.#text(), device);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** The kernel gives a page at a time. */
  #text(): string {
    let length = 0;
    for (;;) {
      const read = readSync(this.#file, this.#buffer, length, this.#buffer.length - length, length);
      length += read;
      if (read === 0 || length === this.#buffer.length) return this.#buffer.toString('latin1', 0, length);
    }
  }
}

/** The counters of an interface in the text of /proc/net/dev (proc_net_dev(5)): eight columns received, then eight sent. */
export function countersIn(text: string, device: string): Counters | undefined {
  const line = text.split('\n').find((one) => one.trimStart().startsWith(`${device}:`));
  if (line === undefined) return undefined;
  const columns = line
    .slice(line.indexOf(':') + 1)
    .trim()
    .split(/\s+/)
    .map(Number);
  const [rxBytes = 0, rxPackets = 0] = columns;
  const [txBytes = 0, txPackets = 0] = columns.slice(8);
  return { rxPackets, rxBytes, txPackets, txBytes };
}
