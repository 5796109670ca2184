import type { Laptop } from '../lab/laptop.ts';
import { must, until } from '../lab/mesh.ts';
import type { LabNode } from '../lab/node.ts';
import { chain, table } from './api-path.ts';
import type { Heal } from './fault.ts';

/** The first byte of a datagram that begins a handshake: the type of the message. */
const INITIATION = '@th,64,8 1';

/** What a laptop hears from gateway nodes, and where it sends to, for as long as it is watched. */
export class CalledLaptop {
  readonly #laptop: Laptop;
  readonly #nodes: readonly LabNode[];
  readonly #stopping = new AbortController();
  readonly #went: string[] = [];
  readonly #forget: Heal;
  readonly #ended: Promise<unknown>;

  private constructor(laptop: Laptop, nodes: readonly LabNode[], forget: Heal) {
    this.#laptop = laptop;
    this.#nodes = nodes;
    this.#forget = forget;
    this.#ended = this.#follow();
  }

  static async watch(laptop: Laptop, nodes: readonly LabNode[]): Promise<CalledLaptop> {
    const names = nodes.map(({ name }) => `counter calls-${name} { }`);
    const rules = nodes.map(
      ({ name, address }) => `ip saddr ${address} udp sport 51840 ${INITIATION} counter name calls-${name}`,
    );
    const forget = await table(laptop, [...names, chain('input', 'filter', rules.join('; '))]);
    const watched = new CalledLaptop(laptop, nodes, forget);
    await watched.untilGoesBy(() => true);
    return watched;
  }

  /** The nodes by which it has gone since it is watched, in order, the one at that time first. */
  get wentBy(): readonly string[] {
    return this.#went;
  }

  /** Waits until the way that it went is such. */
  async untilGoesBy(right: (wentBy: readonly string[]) => boolean, seconds = 30): Promise<void> {
    const look = async () => this.wentBy;
    await until(`${this.#laptop.name} to go by`, look, (went) => went.length > 0 && right(went), seconds);
  }

  /** The nodes that have called it since it is watched. */
  async callers(): Promise<readonly string[]> {
    const packets = await this.#counted();
    return this.#nodes.flatMap(({ name }) => ((packets.get(`calls-${name}`) ?? 0) > 0 ? [name] : []));
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#ended;
    await this.#forget();
  }

  #follow(): Promise<unknown> {
    const argv = ['sh', '-c', 'while :; do wg show mesh endpoints; sleep 0.05; done'];
    const onOutput = (text: string) => this.#take(text);
    return this.#laptop.exec(argv, { signal: this.#stopping.signal, onOutput }).catch(() => undefined);
  }

  #take(text: string): void {
    for (const [, address] of text.matchAll(/\t([\d.]+):\d+$/gm)) {
      const name = this.#nodes.find((node) => node.address === address)?.name;
      if (name !== undefined && name !== this.#went.at(-1)) this.#went.push(name);
    }
  }

  async #counted(): Promise<ReadonlyMap<string, number>> {
    const argv = ['nft', '-j', 'list', 'counters', 'table', 'inet', 'lab_fault'];
    const { nftables } = JSON.parse(must(await this.#laptop.exec(argv))) as {
      readonly nftables: readonly { readonly counter?: { readonly name: string; readonly packets: number } }[];
    };
    return new Map(nftables.flatMap(({ counter }) => (counter === undefined ? [] : [[counter.name, counter.packets]])));
  }
}
