import { keyBytes, type PublicKey } from '../../../src/net/key.ts';
import type { KeyPair } from '../../../src/net/key-pair.ts';
import { labTools } from '../../lab/binaries.ts';
import type { Laptop } from '../../lab/laptop.ts';
import { DEVICES_MODULE } from '../../lab/tool-list.ts';

/** One device after the other dials, in milliseconds: a thousand who come at once keep two busy processors from answering anybody else. */
const BETWEEN_DIALS_MS = 20;

/** Where the devices are, each at an address of its own: nodes count what comes from one address, as from one office. */
export const NETWORK = { prefix: '198.18.0.0/16', first: '198.18.0.1' } as const;

/** Where devices are at first. */
export interface Dialled {
  readonly publicKey: PublicKey;
  readonly address: string;
  readonly port: number;
}

/** What one device told: `heard` somebody else than before, or has a `session`; by the monotonic clock, in milliseconds. */
interface Told {
  readonly what: string;
  readonly index: number;
  readonly ms: number;
  readonly address: string;
}

/** Many devices with nothing but WireGuard on one machine: a wireguard-go for each, with its own key and UDP port, in one program. */
export class Devices {
  readonly #told: Told[] = [];
  readonly #ending = new AbortController();
  readonly #ended: Promise<unknown>;

  private constructor(laptop: Laptop, program: string, input: string) {
    let rest = '';
    const onOutput = (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) this.#take(line);
    };
    this.#ended = laptop.exec([program], { input, onOutput, signal: this.#ending.signal }).catch(() => undefined);
  }

  static async start(laptop: Laptop, dialled: Dialled, keys: readonly KeyPair[]): Promise<Devices> {
    const tools = await labTools([DEVICES_MODULE]);
    const hex = (key: Parameters<typeof keyBytes>[0]) => Buffer.from(keyBytes(key)).toString('hex');
    const input = {
      publicKey: hex(dialled.publicKey),
      endpoint: `${dialled.address}:${dialled.port}`,
      from: NETWORK.first,
      privateKeys: keys.map(({ privateKey }) => hex(privateKey)),
      everyMs: BETWEEN_DIALS_MS,
    };
    return new Devices(laptop, tools.path('wireguard-devices'), JSON.stringify(input));
  }

  /** How many devices have had a session at an address since a moment. */
  at(address: string, since = 0): number {
    return new Set(this.#of('session', address, since).map(({ index }) => index)).size;
  }

  /** When each device that heard an address, or had a session there, did so first since a moment; in that order. */
  firsts(what: 'heard' | 'session', address: string, since: number): readonly number[] {
    const firsts = new Map<number, number>();
    for (const { index, ms } of this.#of(what, address, since)) if (!firsts.has(index)) firsts.set(index, ms);
    return [...firsts.values()].sort((one, other) => one - other);
  }

  async stop(): Promise<void> {
    this.#ending.abort();
    await this.#ended;
  }

  #of(what: string, address: string, since: number): readonly Told[] {
    return this.#told.filter((one) => one.what === what && one.address === address && one.ms >= since);
  }

  #take(line: string): void {
    const [what = '', index = '', nanoseconds = '', address = ''] = line.split(' ');
    this.#told.push({ what, index: Number(index), ms: Number(nanoseconds) / 1e6, address });
  }
}
