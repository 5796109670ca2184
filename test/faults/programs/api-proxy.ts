import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request } from 'node:https';

/*
 * Stands before an API server and shows its face: node api-proxy.ts ADDRESS PORT UPSTREAM_PORT PKI MODE
 *
 *   slow    each answer begins five seconds late
 *   busy    everything is refused with 429
 *   gone    each watch that is to go on from a version ends at once with 410, as where the history is forgotten
 *
 * Programs of Sallyport alone suffer it; what others ask is passed on. PKI is a folder with the API server's own certificate.
 */
const [address = '', port = '0', upstream = '0', pki = '', mode = ''] = process.argv.slice(2);
const SLOW_MS = 5_000;
const ca = readFileSync(`${pki}/ca.crt`);
const agent = new Agent({ keepAlive: true, ca });

const server = createServer(
  { cert: readFileSync(`${pki}/apiserver.crt`), key: readFileSync(`${pki}/apiserver.key`) },
  (asked, answer) => {
    if (!/^sallyport-/.test(asked.headers['user-agent'] ?? '')) pass(asked, answer, 0);
    else if (mode === 'busy') say(answer, 429, { 'retry-after': '1' }, status(429, 'TooManyRequests'));
    else if (mode === 'gone' && isResumed(asked))
      say(answer, 200, {}, { type: 'ERROR', object: status(410, 'Expired') });
    else pass(asked, answer, mode === 'slow' ? SLOW_MS : 0);
  },
);
server.listen(Number(port), address);

function isResumed({ url = '' }: IncomingMessage): boolean {
  const query = new URL(url, 'https://localhost').searchParams;
  return query.get('watch') === 'true' && query.get('sendInitialEvents') !== 'true';
}

function pass(asked: IncomingMessage, answer: ServerResponse, lateMs: number): void {
  const { method, url, headers } = asked;
  const onward = request({ agent, host: address, port: Number(upstream), method, path: url, headers });
  onward.on('response', (response) =>
    setTimeout(() => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      // A watch says nothing after its headers until something happens.
      answer.flushHeaders();
      response.pipe(answer);
      response.on('close', () => answer.end());
    }, lateMs),
  );
  onward.on('error', () => asked.socket.destroy());
  answer.on('close', () => onward.destroy());
  asked.pipe(onward);
}

function say(answer: ServerResponse, code: number, headers: Readonly<Record<string, string>>, body: object): void {
  answer.writeHead(code, { 'content-type': 'application/json', ...headers });
  answer.end(`${JSON.stringify(body)}\n`);
}

function status(code: number, reason: string): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'by the lab', reason, code };
}
