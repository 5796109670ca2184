import { createSocket } from 'node:dgram';

/*
 * Sends datagrams to ADDRESS PORT as fast as it can, COUNT of them: each from a socket of its own, so that each is a connection of its own,
 * or with `one` all from the same socket; to port 0, to all ports in turn, each of which is a connection too. Prints a line when it begins, and
 * at the end {"ms", "ended"}: how long that took, and when it was over, in milliseconds since 1970.
 */

const [address = '', port = '0', count = '0', sockets = 'each'] = process.argv.slice(2);
const AT_ONCE = 100;

console.log('begins');
const began = performance.now();
const shared = createSocket('udp4');
let left = Number(count);
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (left > 0) {
      left -= 1;
      const socket = sockets === 'one' ? shared : createSocket('udp4');
      await new Promise((resolve) => socket.send('x', Number(port) || 1 + (left % 65_535), address, resolve));
      if (socket !== shared) socket.close();
    }
  }),
);
shared.close();
console.log(JSON.stringify({ ms: Math.round(performance.now() - began), ended: Date.now() }));
