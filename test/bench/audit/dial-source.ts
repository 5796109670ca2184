import { createSocket } from 'node:dgram';

/*
 * Sends a datagram to one address after the other, until it is killed: node dial-source.ts PREFIX PER_SECOND. PREFIX is the first half of an
 * IPv4 address; after its 65,536 it begins anew.
 */
const [prefix = '', perSecond = '0'] = process.argv.slice(2);
const EVERY_MS = 10;

const socket = createSocket('udp4');
// Refusals of earlier datagrams come back as errors of later ones.
socket.on('error', () => undefined);
const began = performance.now();
let sent = 0;
setInterval(() => {
  const due = ((performance.now() - began) / 1000) * Number(perSecond);
  for (; sent < due; sent += 1) {
    const host = `${(sent >> 8) & 255}.${sent & 255}`;
    socket.send('x', 9, `${prefix}.${host}`, () => undefined);
  }
}, EVERY_MS);
