import { createSocket } from 'node:dgram';
import { setImmediate } from 'node:timers/promises';

/*
 * Sends datagrams to ADDRESS PORT as fast as it can, COUNT of them or until it is stopped: each from a socket of its own, so that each is a
 * connection of its own, or with `one` all from the same socket; to port 0, to all ports in turn, each of which is a connection too. Prints a line
 * when it begins, and at the end {"sent", "ms", "ended"}: how many, how long that took, and when it was over, in milliseconds since 1970.
 */

const [address = '', port = '0', count = '0', sockets = 'each'] = process.argv.slice(2);
const AT_ONCE = 100;

let isStopped = false;
process.on('SIGTERM', () => {
  isStopped = true;
});
console.log('begins');
const began = performance.now();
const shared = createSocket('udp4');
let sent = 0;
while (!isStopped && sent < Number(count)) {
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, Number(count) - sent) }, send));
  // Sending alone lets no signal in.
  await setImmediate();
}
shared.close();
console.log(JSON.stringify({ sent, ms: Math.round(performance.now() - began), ended: Date.now() }));
process.exit();

async function send(): Promise<void> {
  sent += 1;
  const to = Number(port) || 1 + (sent % 65_535);
  const socket = sockets === 'one' ? shared : createSocket('udp4');
  await new Promise((resolve) => socket.send('x', to, address, resolve));
  if (socket !== shared) socket.close();
}
