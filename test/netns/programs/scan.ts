import { createSocket } from 'node:dgram';

/*
 * Sends one datagram to each of COUNT addresses from FIRST on, all from the same socket and as fast as it can. Prints how many milliseconds
 * that took.
 */

const [first = '', count = '0'] = process.argv.slice(2);
const base = first.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
const AT_ONCE = 100;

const socket = createSocket('udp4');
// Refusals of earlier datagrams come back as errors of later ones.
socket.on('error', () => undefined);
const began = performance.now();
let next = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (next < Number(count)) {
      const address = base + next;
      next += 1;
      const text = [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');
      await new Promise((resolve) => socket.send('x', 9, text, resolve));
    }
  }),
);
console.log(Math.round(performance.now() - began));
socket.close();
