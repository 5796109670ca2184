import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setImmediate } from 'node:timers/promises';

/*
 * Sends what looks like WireGuard's data, by sessions that nobody has, to ADDRESS PORT as fast as it can until it is stopped, each datagram from
 * the next of COUNT addresses of 198.18.0.0/15, which this machine must have. Prints a line when it begins, and at the end how many it has sent.
 */

const [address = '', port = '0', count = '1'] = process.argv.slice(2);
const DATA = Uint8Array.from({ length: 32 }, (_, index) => (index === 0 ? 4 : index < 4 ? 0 : index));

let isStopped = false;
process.on('SIGTERM', () => {
  isStopped = true;
});
const sockets = Array.from({ length: Number(count) }, () => createSocket('udp4'));
for (const [index, socket] of sockets.entries()) {
  socket.bind(0, `198.18.${index >> 8}.${index & 255}`);
  await once(socket, 'listening');
}
console.log('begins');
let sent = 0;
while (!isStopped) {
  sockets[sent % sockets.length]?.send(DATA, Number(port), address);
  sent += 1;
  // Sending alone lets no signal in.
  if (sent % 50 === 0) await setImmediate();
}
console.log(String(sent));
process.exit();
