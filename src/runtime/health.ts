import { createServer } from 'node:http';

export interface HealthOptions {
  readonly host?: string;
  readonly port: number;
  /** Why the program is not ready; undefined when it is. */
  readonly notReady: () => string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Answers a kubelet's questions: `/healthz` says that the program's event loop turns, `/readyz` that it does its work.
 * Resolves once it listens. @throws when the port is taken.
 */
export function serveHealth({ host, port, notReady, signal }: HealthOptions): Promise<void> {
  const server = createServer((request, response) => {
    const problem = request.url === '/readyz' ? notReady() : undefined;
    const known = request.url === '/readyz' || request.url === '/healthz';
    response.writeHead(known ? (problem === undefined ? 200 : 503) : 404, { 'content-type': 'text/plain' });
    response.end(known ? `${problem ?? 'ok'}\n` : 'not found\n');
  });
  signal.addEventListener('abort', () => server.close(), { once: true });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve());
  });
}
