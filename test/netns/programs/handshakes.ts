import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import { firstMessage } from '../first-message.ts';

/*
 * Sends first messages of handshakes to ADDRESS PORT as fast as it can until it is stopped, for MILLISECONDS at most, by keys that nobody
 * knows there, as anybody can who has the gateway's PUBLIC_KEY: in turn from a port of each SOURCE, which is what a forged source looks like.
 * Prints a line when it begins, and at the end {"sent", "ms"}.
 */

const [address = '', port = '0', publicKey = '', milliseconds = '0', ...sources] = process.argv.slice(2);
const gateway = Uint8Array.from(Buffer.from(publicKey, 'base64'));
/** Each costs the gateway as much as a new one would: it remembers none of them. */
const MESSAGES = 200;
const AT_ONCE = 500;

const messages = Array.from({ length: MESSAGES }, () => firstMessage(gateway));
const sockets = await Promise.all(
  sources.map(async (source) => {
    const socket = createSocket('udp4');
    socket.bind(0, source);
    await once(socket, 'listening');
    return socket;
  }),
);
let isStopped = false;
process.on('SIGTERM', () => {
  isStopped = true;
});
console.log('begins');
const began = performance.now();
const ms = () => Math.round(performance.now() - began);
let sent = 0;
while (!isStopped && ms() < Number(milliseconds)) {
  await Promise.all(Array.from({ length: AT_ONCE }, send));
  // Sending alone lets no signal in.
  await setImmediate();
}
console.log(JSON.stringify({ sent, ms: ms() }));
process.exit();

function send(): Promise<unknown> {
  const [socket, message] = [sockets[sent % sockets.length], messages[sent % MESSAGES]];
  sent += 1;
  return new Promise((resolve) => socket?.send(message ?? '', Number(port), address, resolve));
}
