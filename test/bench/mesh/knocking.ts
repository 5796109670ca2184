import { fileURLToPath } from 'node:url';
import type { KeyPair } from '../../../src/net/key-pair.ts';
import type { Laptop } from '../../lab/laptop.ts';

const PROGRAM = fileURLToPath(new URL('programs/knock.ts', import.meta.url));

export interface Doors {
  readonly publicKey: string;
  /** `address:port` of each node. */
  readonly endpoints: readonly string[];
}

/**
 * Knocks at gateways with one key after the other, as WireGuard devices do: a handshake's first message every few milliseconds
 * until every node has answered it. Nodes answer keys that they let in, and no others, so no node need be asked what it holds.
 */
export class Knocking {
  readonly #answered: PromiseWithResolvers<number>[];
  readonly #ending = new AbortController();

  private constructor(count: number) {
    this.#answered = Array.from({ length: count }, () => Promise.withResolvers<number>());
    for (const { promise } of this.#answered) promise.catch(() => undefined);
  }

  static start(laptop: Laptop, doors: Doors, keys: readonly KeyPair[]): Knocking {
    const knocking = new Knocking(keys.length);
    const input = JSON.stringify({ ...doors, privateKeys: keys.map(({ privateKey }) => privateKey) });
    let rest = '';
    const onOutput = (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) knocking.#take(line);
    };
    const running = laptop.exec([process.execPath, PROGRAM], { input, onOutput, signal: knocking.#ending.signal });
    running.then(
      ({ stderr }) => knocking.#fail(new Error(`knocking ended: ${stderr}`)),
      (error: Error) => knocking.#fail(error),
    );
    return knocking;
  }

  /** When every node had answered the key at this place, on the monotonic clock, in milliseconds. */
  answered(index: number): Promise<number> {
    return this.#answered[index]?.promise ?? Promise.reject(new RangeError(`no key ${index}`));
  }

  stop(): void {
    this.#ending.abort();
  }

  #take(line: string): void {
    const [index = '', nanoseconds = ''] = line.split(' ');
    if (/^\d+$/.test(nanoseconds)) this.#answered[Number(index)]?.resolve(Number(nanoseconds) / 1e6);
  }

  #fail(error: Error): void {
    for (const { reject } of this.#answered) reject(error);
  }
}
