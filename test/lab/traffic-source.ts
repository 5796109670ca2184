import { createSocket } from 'node:dgram';
import { connect } from 'node:net';

/**
 * Traffic that runs until it is killed: node traffic-source.ts KIND ADDRESS PORT EVERY_MS
 *
 *   datagrams   a UDP datagram every so often from one socket; `ok MS NUMBER` for each that an echo returns, numbered as sent
 *   stream      HTTP requests on one TCP connection, the next one so long after the last answer, or after a second without one; `ok MS` for
 *               each piece of an answer, `closed MS REASON` once the connection has ended
 *
 * MS is the machine's clock in milliseconds since the epoch.
 */
const [kind, address = '', port = '0', every = '50'] = process.argv.slice(2);

const SILENCE_MS = 1_000;

function say(...words: readonly (string | number)[]): void {
  process.stdout.write(`${words.join(' ')}\n`);
}

function datagrams(): void {
  const socket = createSocket('udp4');
  let sent = 0;
  socket.on('message', (echo) => say('ok', Date.now(), echo.toString()));
  // A refusal is an answer to one datagram and says nothing about the next.
  socket.on('error', () => undefined);
  socket.connect(Number(port), address, () =>
    setInterval(() => socket.send(`${sent++}`, () => undefined), Number(every)),
  );
}

function stream(): void {
  const socket = connect({ host: address, port: Number(port), noDelay: true });
  let next: NodeJS.Timeout | undefined;
  const askIn = (ms: number) => {
    clearTimeout(next);
    next = setTimeout(ask, ms);
  };
  const ask = () => {
    socket.write(`GET / HTTP/1.1\r\nHost: ${address}\r\n\r\n`);
    // Whose question was taken and whose answer is lost for good would have nothing more to send, and never meet a reset.
    askIn(SILENCE_MS);
  };
  let reason = 'by the other side';
  socket.on('connect', ask);
  socket.on('data', () => {
    say('ok', Date.now());
    askIn(Number(every));
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    reason = error.code ?? error.message;
  });
  socket.on('close', () => {
    say('closed', Date.now(), reason);
    process.exit(0);
  });
}

if (kind === 'datagrams') datagrams();
else stream();
