import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Connection, Credentials } from './connection.ts';
import { ApiError, failureFromAnswer, isUnauthorized, TransportError } from './errors.ts';
import { LineSplitter } from './lines.ts';
import { AgentPool } from './pool.ts';

/** One request to the API server. */
export interface TransportRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Absolute path, segments already encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | number | boolean | undefined>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** `application/json` unless told otherwise; PATCH must tell. */
  readonly contentType?: string;
  readonly signal?: AbortSignal | undefined;
  /** For the whole exchange; of a stream, until its headers have come. */
  readonly timeoutMs?: number;
}

/** How a stream of lines is watched over. */
export interface StreamOptions {
  readonly onLine: (line: string) => void;
  /** The server accepted: headers have come. */
  readonly onOpen?: (() => void) | undefined;
  /** No byte for this long means that the connection is half open: the stream fails. */
  readonly idleMs: number;
}

/** Requests to one API server over connections that stay open. */
export interface Transport {
  /** The parsed answer. @throws {ApiError} when the server refuses. @throws {TransportError} when it does not answer. */
  request(request: TransportRequest): Promise<unknown>;
  /**
   * Reads an endless answer line by line until the server ends it cleanly. Rejects when it is refused, cut, silent
   * for `idleMs`, aborted by the signal, or when `onLine` throws.
   */
  stream(request: TransportRequest, options: StreamOptions): Promise<void>;
  /** Closes every connection. */
  close(): void;
}

export interface TransportOptions {
  /** For the server's logs: `sallyport-agent/0.1.0`. */
  readonly userAgent: string;
  readonly timeoutMs?: number;
}

/** A transport over keep-alive connections. Nothing is opened before the first request. */
export function createTransport(connection: Connection, options: TransportOptions): Transport {
  const pool = new AgentPool(connection.server, connection.proxy);
  const send = async <T>(request: TransportRequest, read: Reader<T>): Promise<T> => {
    const timeoutMs = request.timeoutMs ?? options.timeoutMs ?? 30_000;
    const attempt = async (fresh: boolean) => {
      const credentials = await connection.credentials({ fresh });
      return exchange({ request, credentials, pool, server: connection.server, timeoutMs, ...options }, read);
    };
    try {
      return await attempt(false);
    } catch (error) {
      // A rotated token is noticed here first; client-node reads the file again only once a minute.
      if (isUnauthorized(error)) return attempt(true);
      if (error instanceof StaleConnection) return attempt(false);
      throw error;
    }
  };
  return {
    request: (request) => send(request, readJson),
    stream: (request, stream) => send(request, (exchange) => readLines(exchange, stream)),
    close: () => pool.close(),
  };
}

interface Exchange {
  readonly request: TransportRequest;
  readonly credentials: Credentials;
  readonly pool: AgentPool;
  readonly server: URL;
  readonly timeoutMs: number;
  readonly userAgent: string;
}

/** An answer whose status is good, and the ways to give up on it. */
interface Answer {
  readonly asked: { readonly method: string; readonly path: string };
  readonly message: IncomingMessage;
  /** The deadline of the whole exchange no longer applies. */
  disarm(): void;
  /** Ends the exchange with this error. */
  fail(error: Error): void;
}

type Reader<T> = (answer: Answer) => Promise<T>;

/** The server closed a kept connection just as a GET was sent on it: no harm in asking again. */
class StaleConnection extends TransportError {}

function exchange<T>(call: Exchange, read: Reader<T>): Promise<T> {
  const { request, pool, timeoutMs } = call;
  const asked = { method: request.method, path: request.path };
  return new Promise<T>((resolve, reject) => {
    if (request.signal?.aborted) {
      reject(abortError(request.signal));
      return;
    }
    const sent = open(call);
    let answered = false;
    const finish = (act: () => void) => {
      disarm();
      request.signal?.removeEventListener('abort', onAbort);
      act();
    };
    const fail = (error: Error) => {
      finish(() => reject(error));
      sent.destroy();
      if (error instanceof TransportError && error.timedOut) pool.dropIdle();
    };
    const onAbort = () => fail(abortError(request.signal));
    const onDeadline = () =>
      fail(new TransportError(`${asked.method} ${asked.path}: no answer within ${timeoutMs} ms`, { timedOut: true }));
    const timer = setTimeout(onDeadline, timeoutMs);
    const disarm = () => clearTimeout(timer);
    request.signal?.addEventListener('abort', onAbort, { once: true });
    sent.on('error', (cause) => fail(connectionError(asked, cause, !answered && sent.reusedSocket)));
    sent.on('response', (message) => {
      answered = true;
      message.on('error', (cause) => fail(connectionError(asked, cause, false)));
      const answer = { asked, message, disarm, fail };
      const result = isSuccess(message) ? read(answer) : refuse(answer);
      result.then(
        (value) => finish(() => resolve(value)),
        (error) => fail(error instanceof Error ? error : new Error(String(error))),
      );
    });
  });
}

function open(call: Exchange): ClientRequest {
  const { request, server, credentials, pool } = call;
  const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body));
  const send = server.protocol === 'https:' ? httpsRequest : httpRequest;
  const sent = send({
    method: request.method,
    host: server.hostname.replace(/^\[|\]$/g, ''),
    port: server.port || (server.protocol === 'https:' ? 443 : 80),
    path: `${server.pathname.replace(/\/$/, '')}${request.path}${queryText(request.query)}`,
    agent: pool.agentFor(credentials.tls),
    headers: {
      accept: 'application/json',
      // Compressing a watch delays its events, and this traffic stays inside the cluster.
      'accept-encoding': 'identity',
      'user-agent': call.userAgent,
      ...(body === undefined
        ? {}
        : { 'content-type': request.contentType ?? 'application/json', 'content-length': body.length }),
      ...credentials.headers,
    },
  });
  sent.end(body);
  return sent;
}

async function readJson(answer: Answer): Promise<unknown> {
  const text = await readText(answer);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TransportError(`${answer.asked.method} ${answer.asked.path}: the answer is not JSON`, { cause });
  }
}

async function refuse(answer: Answer): Promise<never> {
  const body = await readText(answer);
  const { statusCode = 0, headers } = answer.message;
  throw new ApiError(failureFromAnswer(answer.asked, { status: statusCode, body, retryAfter: headers['retry-after'] }));
}

function readText({ message, asked }: Answer): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    message.on('data', (chunk: Buffer) => chunks.push(chunk));
    message.on('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    message.on('close', () => {
      if (!message.complete) reject(cutShort(asked));
    });
  });
}

function readLines(answer: Answer, stream: StreamOptions): Promise<void> {
  const { message, asked } = answer;
  answer.disarm();
  return new Promise((resolve, reject) => {
    const splitter = new LineSplitter(stream.onLine);
    const silence = () =>
      reject(new TransportError(`${asked.method} ${asked.path}: silent for ${stream.idleMs} ms`, { timedOut: true }));
    const watchdog = setTimeout(silence, stream.idleMs);
    const end = (act: () => void) => {
      clearTimeout(watchdog);
      act();
    };
    message.on('data', (chunk: Buffer) => {
      watchdog.refresh();
      try {
        splitter.push(chunk);
      } catch (error) {
        end(() => reject(error));
      }
    });
    message.on('end', () => end(() => (splitter.rest === 0 ? resolve() : reject(cutShort(asked)))));
    message.on('close', () => end(() => reject(cutShort(asked))));
    stream.onOpen?.();
  });
}

function cutShort(asked: Answer['asked']): TransportError {
  return new TransportError(`${asked.method} ${asked.path}: the connection was cut before the answer was complete`);
}

function connectionError(asked: Answer['asked'], cause: Error, reused: boolean): TransportError {
  const message = `${asked.method} ${asked.path}: ${cause.message}`;
  const stale = reused && asked.method === 'GET' && 'code' in cause && cause.code === 'ECONNRESET';
  return stale ? new StaleConnection(message, { cause }) : new TransportError(message, { cause });
}

function abortError(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new DOMException('This operation was aborted', 'AbortError');
}

function isSuccess(message: IncomingMessage): boolean {
  return message.statusCode !== undefined && message.statusCode >= 200 && message.statusCode < 300;
}

function queryText(query: TransportRequest['query']): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined) parameters.set(name, String(value));
  }
  return parameters.size === 0 ? '' : `?${parameters}`;
}
