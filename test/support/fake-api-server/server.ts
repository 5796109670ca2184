import { createServer as createHttp, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createHttps } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Connection } from '../../../src/k8s/connection.ts';
import { BUILT_IN } from './built-in.ts';
import { type Certificate, selfSignedCertificate } from './certificate.ts';
import { type Fault, type FaultAction, Faults, type WatchEnd } from './faults.ts';
import type { Json } from './json.ts';
import { Refusal } from './refusal.ts';
import { respond } from './respond.ts';
import { Collection, type FakeResource } from './storage.ts';
import type { WatchStream } from './watch-stream.ts';

/** One request as it arrived. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
}

export interface FakeApiServerOptions {
  /** Beside the built-in ones. */
  readonly resources?: readonly FakeResource[];
  /** Plain http instead of https. */
  readonly plain?: boolean;
  /** As servers before 1.32: a watch cannot list first. */
  readonly streamingLists?: boolean;
  /** Only these bearer tokens are let in; everyone when absent. */
  readonly tokens?: readonly string[];
}

let shared: Certificate | undefined;

/**
 * An API server in this process: storage with versions, list, watch, streaming list, bookmarks, apply, patch, status
 * subresource, preconditions, discovery; and every fault that a network or a server has. It stores what it gets:
 * there are no schemas, defaults or admission. How its apply differs from the real one: see merge.ts.
 */
export class FakeApiServer {
  readonly faults = new Faults();
  readonly requests: SeenRequest[] = [];
  readonly watches = new Set<WatchStream>();
  /** Connections accepted so far. */
  connections = 0;
  /** Replace it to let others in. */
  tokens: readonly string[] | undefined;
  readonly streamingLists: boolean;
  readonly certificate: Certificate | undefined;
  readonly #collections = new Map<string, Collection>();
  readonly #sockets = new Set<Socket>();
  readonly #observers = new Set<() => void>();
  readonly #server: Server;
  #version = 1000;

  private constructor(options: FakeApiServerOptions) {
    this.tokens = options.tokens;
    this.streamingLists = options.streamingLists ?? true;
    for (const resource of [...BUILT_IN, ...(options.resources ?? [])]) this.serve(resource);
    const listener = (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response);
    if (!options.plain) shared ??= selfSignedCertificate();
    this.certificate = options.plain ? undefined : shared;
    this.#server = this.certificate === undefined ? createHttp(listener) : createHttps(this.certificate, listener);
    this.#server.keepAliveTimeout = 60_000;
    this.#server.on('connection', (socket: Socket) => {
      this.connections += 1;
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  /** Listens on 127.0.0.1, on a port of the system's choice unless one is given. */
  static async start(options: FakeApiServerOptions = {}, port = 0): Promise<FakeApiServer> {
    const server = new FakeApiServer(options);
    await new Promise<void>((resolve) => server.#server.listen(port, '127.0.0.1', resolve));
    return server;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): URL {
    return new URL(`${this.certificate === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`);
  }

  /** For `createTransport`. */
  connection(options: { readonly token?: string; readonly proxy?: URL } = {}): Connection {
    const headers: Record<string, string> =
      options.token === undefined ? {} : { authorization: `Bearer ${options.token}` };
    const tls = this.certificate === undefined ? {} : { ca: this.certificate.cert };
    return {
      server: this.url,
      namespace: 'default',
      proxy: options.proxy,
      credentials: async () => ({ headers, tls }),
    };
  }

  /** The content of a kubeconfig file. JSON is YAML. */
  kubeconfig(user: Json = {}, cluster: Json = {}): string {
    const ca = this.certificate && Buffer.from(this.certificate.cert).toString('base64');
    return JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'fake', cluster: { server: this.url.origin, 'certificate-authority-data': ca, ...cluster } }],
      users: [{ name: 'me', user }],
      contexts: [{ name: 'fake', context: { cluster: 'fake', user: 'me', namespace: 'somewhere' } }],
      'current-context': 'fake',
    });
  }

  /** Begins to have a resource, as when its definition is created. */
  serve(resource: FakeResource): void {
    this.#collections.set(idOf(resource), new Collection(resource, () => this.nextVersion()));
  }

  /** Has a resource no more, as when its definition is deleted. */
  withdraw(resource: Pick<FakeResource, 'group' | 'version' | 'plural'>): void {
    this.#collections.delete(idOf(resource));
    this.finishWatches('end');
  }

  /** Direct access to what is stored. */
  collection(resource: Pick<FakeResource, 'group' | 'version' | 'plural'>): Collection {
    const found = this.#collections.get(idOf(resource));
    if (found === undefined) throw new Error(`the fake does not serve ${idOf(resource)}`);
    return found;
  }

  get collections(): IterableIterator<Collection> {
    return this.#collections.values();
  }

  get version(): number {
    return this.#version;
  }

  nextVersion(): number {
    this.#version += 1;
    return this.#version;
  }

  /** Keeps all that is stored now; the answer puts it back with the versions of then, as one restores a backup. */
  backup(): () => void {
    const version = this.#version;
    const restore = [...this.#collections.values()].map((collection) => collection.backup());
    return () => {
      for (const one of restore) one();
      this.#version = version;
    };
  }

  fault(fault: Fault): void {
    this.faults.add(fault);
  }

  /** Ends every open watch in this way. */
  finishWatches(how: WatchEnd): void {
    for (const watch of [...this.watches]) watch.finish(how);
  }

  /** Tells every open watch that nothing has changed up to now. */
  sendBookmarks(): void {
    const metadata = { resourceVersion: String(this.#version) };
    for (const watch of this.watches) watch.send({ type: 'BOOKMARK', object: { metadata } });
  }

  /** Forgets the history: watches from before now are answered 410. */
  compact(): void {
    for (const collection of this.#collections.values()) collection.forgetHistory(this.#version);
  }

  /** Requests to paths that contain this text. */
  seen(path: string, method?: string): readonly SeenRequest[] {
    return this.requests.filter((seen) => seen.path.includes(path) && (method === undefined || seen.method === method));
  }

  /** Resolves once this holds; looked at whenever a request comes and whenever a watch begins or ends. */
  until(holds: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (!holds()) return;
        this.#observers.delete(look);
        resolve();
      };
      this.#observers.add(look);
      look();
    });
  }

  /** What `until` waits for may have come about. */
  happened(): void {
    for (const look of [...this.#observers]) look();
  }

  /** Cuts every connection, idle ones too. */
  cutConnections(): void {
    for (const socket of [...this.#sockets]) socket.destroy();
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cutConnections();
    await closed;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url);
    const seen = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      headers: request.headers,
    };
    this.requests.push(seen);
    this.happened();
    response.on('error', () => undefined);
    const body = await readBody(request);
    const action = this.faults.strike(seen);
    try {
      if (await struck(action, response)) return;
      this.#admit(seen);
      respond(this, { ...seen, body, fault: action }, response);
    } catch (error) {
      refuse(response, error);
    }
  }

  #admit({ headers }: SeenRequest): void {
    const token = headers.authorization?.replace(/^Bearer /, '') ?? '';
    if (this.tokens !== undefined && !this.tokens.includes(token))
      throw new Refusal(401, 'Unauthorized', 'Unauthorized');
  }
}

/** Whether the fault has already decided what happens to the request. */
async function struck(action: FaultAction | undefined, response: ServerResponse): Promise<boolean> {
  switch (action?.kind) {
    case 'refuse':
      throw new Refusal(action.code, action.reason ?? '', 'a fault was switched on', action.retryAfterSeconds);
    case 'stall':
      return true;
    case 'cut':
      response.socket?.destroy();
      return true;
    case 'answer':
      response.writeHead(action.code ?? 200);
      response.end(action.text);
      return true;
    case 'slow':
      await new Promise((resolve) => setTimeout(resolve, action.ms));
      return false;
    default:
      return false;
  }
}

function refuse(response: ServerResponse, error: unknown): void {
  const refusal = error instanceof Refusal ? error : new Refusal(500, 'InternalError', String(error));
  const { retryAfterSeconds } = refusal;
  const headers = retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) };
  response.writeHead(refusal.code, { 'content-type': 'application/json', ...headers });
  response.end(JSON.stringify(refusal.status));
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

function idOf({ group, version, plural }: Pick<FakeResource, 'group' | 'version' | 'plural'>): string {
  return `${group}/${version}/${plural}`;
}
