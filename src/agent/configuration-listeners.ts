import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { IpAddress } from '../net/address.ts';
import { endpointOf } from '../net/endpoint.ts';
import type { Log } from '../runtime/log.ts';
import type { Answer, Question } from './configuration-answer.ts';

export interface ConfigurationListenersOptions {
  readonly port: number;
  readonly answer: (question: Question) => Answer;
  /** Is called when `problem` is another one. */
  readonly onProblem: () => void;
  readonly log: Log;
}

/** Any device may ask, so each may hold little: a request is a few hundred bytes, and is answered at once. */
const LIMITS = {
  maxHeaderSize: 4096,
  headersTimeout: 3_000,
  requestTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
};
const IDLE_MS = 5_000;
const MOST_HEADERS = 32;
const MOST_CONNECTIONS = 256;
const MOST_CONNECTIONS_OF_ONE = 8;

/**
 * Answers devices over HTTP at addresses of this node, at these alone. An address that cannot be listened at yet is tried again at
 * the next `follow`; a listener outlives the loss of its address, as sockets do, and serves again once the address is back.
 */
export class ConfigurationListeners {
  readonly #options: ConfigurationListenersOptions;
  readonly #servers = new Map<IpAddress, Server>();
  readonly #problems = new Map<IpAddress, string>();

  constructor(options: ConfigurationListenersOptions) {
    this.#options = options;
  }

  /** Why devices are not answered at some address, as a sentence with the remedy; undefined when they are. */
  get problem(): string | undefined {
    for (const problem of this.#problems.values()) return problem;
    return undefined;
  }

  /** Listens at these addresses and at no others from now on. */
  follow(addresses: readonly IpAddress[]): void {
    for (const address of [...this.#servers.keys(), ...this.#problems.keys()]) {
      if (!addresses.includes(address)) this.#leave(address);
    }
    for (const address of addresses) if (!this.#servers.has(address)) this.#listen(address);
  }

  /** Listens nowhere any more, and ends what is under way. */
  close(): void {
    this.follow([]);
  }

  #listen(address: IpAddress): void {
    const server = createServer(LIMITS, (request, response) => this.#reply(address, server, request, response));
    server.maxConnections = MOST_CONNECTIONS;
    server.maxHeadersCount = MOST_HEADERS;
    server.timeout = IDLE_MS;
    limitEach(server);
    server.once('listening', () => this.#setProblem(address, undefined));
    server.on('error', (error: NodeJS.ErrnoException) => this.#fail(address, server, error));
    this.#servers.set(address, server);
    server.listen({ host: address, port: this.#options.port, ipv6Only: true });
  }

  #fail(address: IpAddress, server: Server, error: NodeJS.ErrnoException): void {
    if (this.#servers.get(address) !== server) return;
    this.#servers.delete(address);
    server.close();
    // Just taken away, or an IPv6 address that is still being checked for duplicates.
    if (error.code === 'EADDRNOTAVAIL') return;
    const { port, log } = this.#options;
    const why =
      error.code === 'EADDRINUSE'
        ? `TCP port ${port} of ${address} is taken by another program of the node; see which (ss -ltnp 'sport = :${port}', as root on the node) and end it`
        : `the node does not let the agent listen on TCP port ${port} of ${address} (${error.message})`;
    if (this.#setProblem(address, `Devices do not get their present configuration here: ${why}.`))
      log.warn({ error, address, port }, 'devices are not told their configuration');
  }

  #leave(address: IpAddress): void {
    const server = this.#servers.get(address);
    this.#servers.delete(address);
    server?.close();
    server?.closeAllConnections();
    this.#setProblem(address, undefined);
  }

  /** Whether it is another one than before. */
  #setProblem(address: IpAddress, problem: string | undefined): boolean {
    if (this.#problems.get(address) === problem) return false;
    if (problem === undefined) this.#problems.delete(address);
    else this.#problems.set(address, problem);
    this.#options.onProblem();
    return true;
  }

  #reply(address: IpAddress, server: Server, request: IncomingMessage, response: ServerResponse): void {
    const { port = this.#options.port } = (server.address() ?? {}) as { readonly port?: number };
    const { status, headers, body } = this.#options.answer({
      method: request.method ?? '',
      path: request.url ?? '',
      host: request.headers.host,
      ifNoneMatch: request.headers['if-none-match'],
      from: request.socket.remoteAddress ?? '',
      at: endpointOf(address, port),
    });
    response.writeHead(status, { ...headers, connection: 'close' });
    response.end(body);
  }
}

/** One device must not keep the others from asking. */
function limitEach(server: Server): void {
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const from = socket.remoteAddress ?? '';
    const count = (open.get(from) ?? 0) + 1;
    open.set(from, count);
    socket.once('close', () => {
      const left = (open.get(from) ?? 1) - 1;
      if (left === 0) open.delete(from);
      else open.set(from, left);
    });
    if (count > MOST_CONNECTIONS_OF_ONE) socket.destroy();
  });
}
