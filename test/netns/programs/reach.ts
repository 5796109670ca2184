import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

/*
 * Tries many targets at once: reach.ts FILE PATIENCE_MS [SOURCE4 SOURCE6]. The file holds a JSON list of texts: `tcp ADDRESS PORT`, `udp ADDRESS PORT`,
 * `fragments ADDRESS PORT` (a datagram that takes four packets) and `ping ADDRESS`. Prints for each, in order, as a JSON list: "open" for
 * what answered, "refused" for what was told that it may not, "silent" for the rest. With sources, everything is sent from these.
 */
const [file = '', patience = '', source4, source6] = process.argv.slice(2);
const PATIENCE_MS = Number(patience);
/** A datagram or its refusal may be lost where so many are on their way. */
const AGAIN_MS = 400;
const BIG = 4000;

type Outcome = 'open' | 'refused' | 'silent';

const targets: readonly string[] = JSON.parse(readFileSync(file, 'utf8'));
console.log(JSON.stringify(await Promise.all(targets.map((target) => tried(target.split(' '))))));
process.exit();

function tried([kind, address = '', port]: readonly string[]): Promise<Outcome> {
  if (kind === 'ping') return ping(address);
  return kind === 'tcp' ? tcp(address, Number(port)) : udp(address, Number(port), kind === 'fragments' ? BIG : 3);
}

async function tcp(host: string, port: number): Promise<Outcome> {
  const localAddress = sourceFor(host);
  const socket = connect({ port, host, ...(localAddress === undefined ? {} : { localAddress }) });
  try {
    return await within(once(socket, 'connect'));
  } finally {
    socket.destroy();
  }
}

async function udp(host: string, port: number, bytes: number): Promise<Outcome> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  const send = () => socket.send('w'.repeat(bytes));
  const again = setInterval(() => socket.emit('again'), AGAIN_MS);
  try {
    const source = sourceFor(host);
    if (source !== undefined) await new Promise<void>((resolve) => socket.bind(0, source, resolve));
    const answered = once(socket, 'message');
    socket.connect(port, host, (error?: Error) => {
      if (error !== undefined) socket.emit('error', error);
      else socket.on('again', send).emit('again');
    });
    return await within(answered);
  } finally {
    clearInterval(again);
    socket.close();
  }
}

async function within(answered: Promise<unknown>): Promise<Outcome> {
  const late = Promise.withResolvers<Outcome>();
  const timer = setTimeout(() => late.resolve('silent'), PATIENCE_MS);
  const told = answered.then(
    () => 'open' as const,
    () => 'refused' as const,
  );
  const outcome = await Promise.race([told, late.promise]);
  clearTimeout(timer);
  return outcome;
}

function ping(host: string): Promise<Outcome> {
  const from = sourceFor(host);
  const words = ['-c', '3', '-i', '0.2', '-W', '1', ...(from === undefined ? [] : ['-I', from]), host];
  return new Promise((resolve) => {
    execFile('ping', words, (error, stdout) => {
      if (error === null) resolve('open');
      else resolve(/^From /m.test(stdout) ? 'refused' : 'silent');
    });
  });
}

function sourceFor(host: string): string | undefined {
  return host.includes(':') ? source6 : source4;
}
