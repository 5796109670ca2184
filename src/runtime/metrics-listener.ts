import { createServer, type Server } from 'node:http';
import { BlockList, isIPv6, type Socket } from 'node:net';
import type { Clock } from './clock.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';

export interface MetricsListenerOptions {
  readonly port: number;
  /** The addresses to listen on; left out, all of them. */
  readonly hosts?: readonly string[];
  /** The CIDRs from which the page may be asked for, besides this machine itself; left out, any. */
  readonly sources?: readonly string[];
  readonly metrics: Pick<Metrics, 'page'>;
  readonly clock: Pick<Clock, 'timer'>;
  readonly log: Log;
  readonly signal: AbortSignal;
}

/** Enough for two Prometheuses and a person; more are closed at once. */
const MOST_CONNECTIONS = 16;
/** Somebody else may hold the port, or the address may come later than the program. */
const RETRY_MS = 30_000;
/** A scraper that says nothing for so long has gone. */
const IDLE_MS = 90_000;

/**
 * Answers `GET /metrics`. Whether it can has no part in the program's work: where the port or the address is not to be had it says so and
 * tries again, until the signal is aborted. Resolves after the first attempt.
 */
export async function serveMetrics(options: MetricsListenerOptions): Promise<void> {
  const { hosts, signal } = options;
  const page = onePageAtATime(options.metrics);
  const listening = (hosts ?? [undefined]).map((host) => listen(host, page, options));
  await Promise.all(listening.map((attempt) => attempt(signal)));
}

type Page = Metrics['page'];

/** Who asks while a page is made gets that one: asking often must not cost more than asking once. */
function onePageAtATime(metrics: Pick<Metrics, 'page'>): Page {
  let making: ReturnType<Page> | undefined;
  return () => {
    making ??= metrics.page().finally(() => {
      making = undefined;
    });
    return making;
  };
}

function listen(host: string | undefined, page: Page, options: MetricsListenerOptions) {
  const { port, clock, log } = options;
  return async function attempt(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    try {
      const server = serverOf(page, options);
      await bound(server, port, host);
      // Such as EMFILE while a connection is taken in: without a listener it would end the program.
      server.on('error', (error) => log.error({ error, host, port }, 'metrics: a connection could not be taken in'));
      signal.addEventListener('abort', () => closeAtOnce(server), { once: true });
      if (signal.aborted) closeAtOnce(server);
    } catch (error) {
      log.error({ error, host, port, retryInMs: RETRY_MS }, 'metrics cannot be asked for');
      const cancel = clock.timer(RETRY_MS, () => void attempt(signal));
      signal.addEventListener('abort', cancel, { once: true });
    }
  };
}

function serverOf(page: Page, { sources, log }: MetricsListenerOptions): Server {
  const allowed = sources === undefined ? undefined : listOf(sources);
  const server = createServer((request, response) => {
    const say = (status: number, text: string, contentType = 'text/plain') => {
      response.writeHead(status, { 'content-type': contentType });
      response.end(request.method === 'HEAD' ? undefined : text);
    };
    const path = request.url?.split('?', 1)[0];
    if (path !== '/metrics') say(404, 'not found; metrics are at /metrics\n');
    else if (request.method !== 'GET' && request.method !== 'HEAD') say(405, 'metrics are only read\n');
    else
      page().then(
        ({ text, contentType }) => say(200, text, contentType),
        (error: unknown) => {
          log.error({ error }, 'metrics could not be read');
          say(500, 'metrics could not be read; see the log\n');
        },
      );
  });
  server.maxConnections = MOST_CONNECTIONS;
  server.keepAliveTimeout = IDLE_MS;
  // Before a byte is read: who is not to ask learns no more than that somebody listens.
  if (allowed !== undefined) server.on('connection', (socket) => !isAllowed(socket, allowed) && socket.destroy());
  return server;
}

function bound(server: Server, port: number, host: string | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function closeAtOnce(server: Server): void {
  server.close();
  server.closeAllConnections();
}

function isAllowed({ remoteAddress = '', localAddress }: Socket, allowed: BlockList): boolean {
  if (remoteAddress === localAddress) return true;
  return allowed.check(remoteAddress, isIPv6(remoteAddress) ? 'ipv6' : 'ipv4');
}

/** Node calls it a list of what is blocked; it only says whether an address is in it. */
function listOf(cidrs: readonly string[]): BlockList {
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', length] = cidr.split('/');
    list.addSubnet(address, Number(length), isIPv6(address) ? 'ipv6' : 'ipv4');
  }
  return list;
}
