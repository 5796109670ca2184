import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';

/*
 * Asks questions from inside a namespace: a line each on standard input, answered by a line of JSON, {"number": …, "answer": …, "ms": …},
 * until that input ends. Every question has sockets of its own, and none waits for another.
 * NUMBER tcp HOST PORT | NUMBER udp HOST PORT | NUMBER get URL | NUMBER post URL BYTES
 * NUMBER datagrams HOST PORT COUNT BYTES, all from one socket
 */
const PATIENCE_MS = 3_000;
const PATIENCE_FOR_BODIES_MS = 15_000;

for await (const line of createInterface({ input: process.stdin })) void reply(line.split(' '));
process.exit();

async function reply([number, ...question]: readonly string[]): Promise<void> {
  const started = performance.now();
  const answer = await answered(question);
  console.log(JSON.stringify({ number: Number(number), answer, ms: performance.now() - started }));
}

async function answered([kind = '', target = '', third = '', ...more]: readonly string[]): Promise<unknown> {
  const patience = kind === 'tcp' || kind === 'udp' ? PATIENCE_MS : PATIENCE_FOR_BODIES_MS;
  const signal = AbortSignal.timeout(patience);
  try {
    if (kind === 'tcp') return await tcp(target, Number(third), signal);
    if (kind === 'udp') return await udp(target, Number(third), signal);
    if (kind === 'datagrams') return await datagrams(target, Number(third), more.map(Number), signal);
    return await http(target, kind === 'post' ? Number(third) : undefined, signal);
  } catch (error) {
    return signal.aborted ? 'timeout' : ((error as NodeJS.ErrnoException).code ?? String(error));
  }
}

async function tcp(host: string, port: number, signal: AbortSignal): Promise<string> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect', { signal });
    // One packet where a farewell takes four.
    socket.resetAndDestroy();
    return 'connected';
  } finally {
    socket.destroy();
  }
}

async function udp(host: string, port: number, signal: AbortSignal): Promise<unknown> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  try {
    const message = once(socket, 'message', { signal });
    // Where there is no way, the callback is what hears of it.
    const connected: (error?: Error) => void = (error) => (error ? socket.emit('error', error) : socket.send('who'));
    socket.connect(port, host, connected);
    const [packet] = await message;
    return JSON.parse(String(packet));
  } finally {
    socket.close();
  }
}

/** Each is sent when the one before has been answered; how many bytes the answers had. */
async function datagrams(
  host: string,
  port: number,
  [count = 0, bytes = 0]: readonly number[],
  signal: AbortSignal,
): Promise<number> {
  const socket = createSocket('udp4');
  let answered = 0;
  try {
    for (let sent = 0; sent < count; sent += 1) {
      const message = once(socket, 'message', { signal });
      socket.send(Buffer.alloc(bytes, 'x'), port, host);
      const [packet] = await message;
      answered += packet.length;
    }
    return answered;
  } finally {
    socket.close();
  }
}

async function http(url: string, bytes: number | undefined, signal: AbortSignal): Promise<unknown> {
  const asked = request(url, { agent: false, method: bytes === undefined ? 'GET' : 'POST', signal });
  const response = once(asked, 'response');
  asked.end(bytes === undefined ? undefined : Buffer.alloc(bytes, 'x'));
  const [message] = await response;
  const body = await text(message);
  return body.startsWith('{') ? JSON.parse(body) : { bytes: body.length };
}
