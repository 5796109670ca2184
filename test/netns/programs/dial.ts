import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/*
 * Dials again and again: dial.ts PATIENCE_MS HOW,PROTOCOL,HOST,PORT …. HOW is `hold`, which keeps what it has opened and opens another once
 * that has ended, or `each`, which has one answer and opens another. Says of each byte or datagram that it sent, and of each that it could not:
 * {"target", "began", "ended", "outcome"}, in milliseconds since 1970, and "answered", the error's code, or "silent" when the patience was over.
 */
const [patience = '', ...targets] = process.argv.slice(2);
const EVERY_MS = 20;

console.log('ready');
for (const target of targets) void dial(target);

async function dial(target: string): Promise<never> {
  const [how, protocol, host = '', port] = target.split(',');
  const dialled = protocol === 'tcp' ? stream : datagrams;
  for (;;) {
    let began = Date.now();
    const opened = dialled(host, Number(port));
    try {
      do {
        began = Date.now();
        await opened.asked(AbortSignal.timeout(Number(patience)));
        say({ target, began, outcome: 'answered' });
        await delay(EVERY_MS);
      } while (how === 'hold');
    } catch (error) {
      const { name, code } = error as NodeJS.ErrnoException;
      say({ target, began, outcome: name === 'AbortError' ? 'silent' : code });
      await delay(EVERY_MS);
    } finally {
      opened.close();
    }
  }
}

function stream(host: string, port: number) {
  const socket = connect(port, host);
  // It may end at any moment, in the pauses too.
  const ended = new Promise<never>((_, reject) => {
    socket.on('error', reject);
    socket.on('close', () => reject(Object.assign(new Error('closed'), { code: 'closed' })));
  });
  ended.catch(() => undefined);
  const echo = async (signal: AbortSignal) => {
    // What is written before it is connected is sent then.
    const data = once(socket, 'data', { signal });
    data.catch(() => undefined);
    socket.write('.');
    await Promise.race([data, ended]);
  };
  return { asked: echo, close: () => socket.destroy() };
}

function datagrams(host: string, port: number) {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('error', () => undefined);
  const connected = once(socket, 'connect');
  connected.catch(() => undefined);
  socket.connect(port, host);
  const ask = async (signal: AbortSignal) => {
    await connected;
    const answered = once(socket, 'message', { signal });
    socket.send('who', (error) => error !== null && socket.emit('error', error));
    await answered;
  };
  return { asked: ask, close: () => socket.close() };
}

function say(what: { readonly target: string; readonly began: number; readonly outcome: string | undefined }): void {
  console.log(JSON.stringify({ ...what, ended: Date.now() }));
}
