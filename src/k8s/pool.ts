import { type ClientRequestArgs, Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { Duplex } from 'node:stream';
import type { TlsMaterial } from './connection.ts';
import { connectThrough } from './proxy.ts';

/** Below the API server's own 90 s, so that it is never the server that closes an idle connection under a request. */
const IDLE_MS = 45_000;

const KEEP_ALIVE = { keepAlive: true, keepAliveMsecs: 15_000, timeout: IDLE_MS, maxFreeSockets: 8 } as const;

/** The kept connections to one server: one agent for as long as the TLS material stays the same. */
export class AgentPool {
  readonly #server: URL;
  readonly #proxy: URL | undefined;
  #agent: HttpAgent | undefined;
  #material: TlsMaterial = {};

  constructor(server: URL, proxy: URL | undefined) {
    this.#server = server;
    this.#proxy = proxy;
  }

  /** The agent for these certificates. A rotated one begins anew; streams on the old agent run on until they end. */
  agentFor(material: TlsMaterial): HttpAgent {
    if (this.#agent === undefined || !sameMaterial(this.#material, material)) {
      this.dropIdle();
      this.#material = material;
      this.#agent = this.#create(material);
    }
    return this.#agent;
  }

  /** Forgets idle connections: after one was found dead, its neighbours most likely are as well. */
  dropIdle(): void {
    for (const sockets of Object.values(this.#agent?.freeSockets ?? {})) {
      for (const socket of sockets ?? []) socket.destroy();
    }
  }

  close(): void {
    this.#agent?.destroy();
    this.#agent = undefined;
  }

  #create(material: TlsMaterial): HttpAgent {
    if (this.#server.protocol === 'http:') return new HttpAgent(KEEP_ALIVE);
    const options = { ...KEEP_ALIVE, ...material };
    return this.#proxy === undefined ? new HttpsAgent(options) : new TunnelAgent(this.#proxy, options);
  }
}

/** An https agent whose connections go through a proxy by CONNECT. */
class TunnelAgent extends HttpsAgent {
  readonly #proxy: URL;

  constructor(proxy: URL, options: ConstructorParameters<typeof HttpsAgent>[0]) {
    super(options);
    this.#proxy = proxy;
  }

  override createConnection(
    options: ClientRequestArgs,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const target = { host: options.host ?? '', port: Number(options.port) };
    connectThrough(this.#proxy, target).then(
      // With a socket in its options, tls.connect speaks TLS over that one.
      (socket) => callback?.(null, super.createConnection({ ...options, socket } as ClientRequestArgs) as Duplex),
      (error: Error) => callback?.(error, undefined as unknown as Duplex),
    );
    return undefined;
  }
}

function sameMaterial(a: TlsMaterial, b: TlsMaterial): boolean {
  return (
    sameBytes(a.ca, b.ca) &&
    sameBytes(a.cert, b.cert) &&
    sameBytes(a.key, b.key) &&
    a.servername === b.servername &&
    a.rejectUnauthorized === b.rejectUnauthorized
  );
}

function sameBytes(a: string | Buffer | undefined, b: string | Buffer | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Buffer.from(a).equals(Buffer.from(b));
}
