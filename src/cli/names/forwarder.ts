import { Buffer } from 'node:buffer';
import {
  errorAnswer,
  isEmpty,
  isOutsideOfRoot,
  RCODE,
  rcodeOf,
  readQuery,
  withId,
} from '../../laptop/names/dns-message.ts';
import { LOCAL_SERVER } from '../../laptop/names/resolv-conf.ts';
import { type Routes, serversFor } from '../../laptop/names/routes.ts';
import { isStrayName } from '../../laptop/names/stray-names.ts';
import { askInOrder, type Patience } from './ask-in-order.ts';
import { askServer, type Transport } from './ask-server.ts';
import { type Listener, listen } from './listener.ts';
import { UnknownNames } from './unknown-names.ts';

export interface ForwarderOptions {
  /** Where to listen: the first that is free. */
  readonly addresses: readonly string[];
  readonly routes: Routes;
  /** 53 unless given; the port of all servers too. */
  readonly port?: number;
  readonly patience?: Patience;
}

/** Each server twice, within the 5 s after which the C library gives up on us. */
const PATIENCE: Patience = { stepMs: 1_000, rounds: 2, wholeMs: 4_500 };
const DNS_PORT = 53;
/** Questions under way, each with a socket or a few; beyond, clients are told to try again. */
const MOST_UNDER_WAY = 256;

/**
 * A DNS forwarder that keeps no answers: names of a cluster go to its servers, all others to the former ones. The answers, with all
 * that is in them (EDNS, a request to ask again by TCP), come from there as they are.
 */
export class Forwarder {
  readonly #listener: Listener;
  readonly #port: number;
  readonly #patience: Patience;
  readonly #underWay: Map<string, Promise<Uint8Array | undefined>>;
  readonly #unknown: UnknownNames;
  #routes: Routes;

  private constructor(listener: Listener, { routes, port = DNS_PORT, patience = PATIENCE }: ForwarderOptions) {
    this.#listener = listener;
    this.#port = port;
    this.#patience = patience;
    this.#routes = routes;
    this.#underWay = new Map();
    this.#unknown = new UnknownNames();
  }

  /** @throws when the port is taken on every address */
  static async open(options: ForwarderOptions): Promise<Forwarder> {
    const box: { forwarder?: Forwarder } = {};
    const answer = async (message: Uint8Array, transport: Transport) => box.forwarder?.answer(message, transport);
    const listener = await listen({ addresses: options.addresses, port: options.port ?? DNS_PORT, answer });
    const forwarder = new Forwarder(listener, options);
    box.forwarder = forwarder;
    return forwarder;
  }

  /** Where it listens. */
  get address(): string {
    return this.#listener.address;
  }

  /** From now on asks there. */
  follow(routes: Routes): void {
    this.#routes = routes;
  }

  close(): Promise<void> {
    return this.#listener.close();
  }

  /** The answer to a client's message, SERVFAIL where nobody gives one; undefined for what is no query. */
  async answer(message: Uint8Array, transport: Transport): Promise<Uint8Array | undefined> {
    const read = readQuery(message);
    if (read === undefined) return undefined;
    if ('rcode' in read) return errorAnswer(message, read.rcode);
    // The same question twice at once is asked once: no gain for whoever guesses ids, and no end for one that comes back to us.
    const key = `${transport} ${Buffer.from(message.buffer, message.byteOffset + 2, message.length - 2).toString('latin1')}`;
    const known = this.#underWay.get(key);
    if (known === undefined && this.#underWay.size >= MOST_UNDER_WAY) return errorAnswer(message, RCODE.servFail);
    const asked = known ?? this.#ask(message, read.query.labels, transport);
    if (known === undefined) {
      this.#underWay.set(key, asked);
      void asked.finally(() => this.#underWay.delete(key));
    }
    const answer = await asked;
    return answer === undefined ? errorAnswer(message, RCODE.servFail) : withId(answer, read.query.id);
  }

  async #ask(message: Uint8Array, labels: readonly string[], transport: Transport): Promise<Uint8Array | undefined> {
    const { groups, isCluster } = serversFor(labels, this.#routes);
    if (isCluster && this.#isStray(labels)) return errorAnswer(message, RCODE.nxDomain);
    const ask = (address: string, signal: AbortSignal) =>
      askServer({ address, port: this.#port }, message, { transport, signal });
    const patience = transport === 'udp' ? this.#patience : { ...this.#patience, rounds: 1 };
    let answer: Uint8Array | undefined;
    for (const group of groups) {
      const others = group.filter((address) => address !== this.address);
      answer = (await askInOrder(others, ask, patience)) ?? answer;
      if (answer !== undefined && rcodeOf(answer) === 0) break;
    }
    if (!isCluster && this.#hasOthers(groups, answer) && (answer === undefined || isEmpty(answer)))
      this.#unknown.add(
        nameOf(labels),
        { hasTopLevel: answer === undefined || !isOutsideOfRoot(answer) },
        performance.now(),
      );
    return answer;
  }

  /**
   * Whether there is anybody else to ask; if not, no name can be an ordinary one. A machine that names no server is one whose own is asked
   * (resolv.conf(5)), and most have none.
   */
  #hasOthers(groups: readonly (readonly string[])[], answer: Uint8Array | undefined): boolean {
    const others = groups.flat().filter((address) => address !== this.address);
    return others.some((address) => address !== LOCAL_SERVER) || (others.length > 0 && answer !== undefined);
  }

  /** Where all names go into the cluster, none is there by mistake. */
  #isStray(labels: readonly string[]): boolean {
    const { clusters } = this.#routes;
    if (clusters.some(({ everything }) => everything)) return false;
    const search = clusters.flatMap((names) => names.search);
    return isStrayName(labels, search, (name) => this.#unknown.get(name, performance.now()));
  }
}

function nameOf(labels: readonly string[]): string {
  return labels.join('.').toLowerCase();
}
