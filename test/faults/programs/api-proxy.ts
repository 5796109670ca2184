import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer, request } from 'node:https';

/*
 * Stands before an API server and shows its face: node api-proxy.ts ADDRESS PORT UPSTREAM_PORT PKI MODE
 *
 *   slow    each answer begins five seconds late
 *   busy    everything is refused with 429
 *   gone    each watch that is to go on from a version ends at once with 410, as where the history is forgotten, and each other one soon
 *
 * Programs of Sallyport alone suffer it; what others ask is passed on. PKI is a folder with the API server's own certificate.
 */
const [address = '', port = '0', upstream = '0', pki = '', mode = ''] = process.argv.slice(2);
const SLOW_MS = 5_000;
const SOON_MS = 1_500;
const ca = readFileSync(`${pki}/ca.crt`);
const agent = new Agent({ keepAlive: true, ca });

const GONE = `${JSON.stringify({ type: 'ERROR', object: status(410, 'Expired') })}\n`;

const server = createServer(
  { cert: readFileSync(`${pki}/apiserver.crt`), key: readFileSync(`${pki}/apiserver.key`) },
  (asked, answer) => {
    const ours = /^sallyport-/.test(asked.headers['user-agent'] ?? '');
    const { watch, sendInitialEvents } = queryOf(asked);
    if (!ours) pass(asked, answer, 0);
    else if (mode === 'busy') refuse(answer);
    else if (mode === 'gone' && watch === 'true' && sendInitialEvents !== 'true') answer.end(GONE);
    else pass(asked, answer, mode === 'slow' ? SLOW_MS : 0);
    if (ours && mode === 'gone' && watch === 'true') setTimeout(() => answer.end(GONE), SOON_MS);
  },
);
server.listen(Number(port), address);

function queryOf({ url = '' }: IncomingMessage): Readonly<Record<string, string>> {
  return Object.fromEntries(new URL(url, 'https://localhost').searchParams);
}

function pass(asked: IncomingMessage, answer: ServerResponse, lateMs: number): void {
  const { method, url, headers } = asked;
  const onward = request({ agent, host: address, port: Number(upstream), method, path: url, headers });
  onward.on('response', (response) =>
    setTimeout(() => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      // A watch says nothing after its headers until something happens.
      answer.flushHeaders();
      response.on('data', (chunk) => void (answer.writableEnded || answer.write(chunk)));
      response.on('close', () => answer.end());
    }, lateMs),
  );
  onward.on('error', () => asked.socket.destroy());
  answer.on('close', () => onward.destroy());
  asked.pipe(onward);
}

function refuse(answer: ServerResponse): void {
  answer.writeHead(429, { 'content-type': 'application/json', 'retry-after': '1' });
  answer.end(JSON.stringify(status(429, 'TooManyRequests')));
}

function status(code: number, reason: string): object {
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'by the lab', reason, code };
}
