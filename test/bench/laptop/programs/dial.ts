import { connect } from 'node:net';

/*
 * Begins a TCP connection every so often until it is killed: node dial.ts ADDRESS PORT EVERY_MS PATIENCE_MS
 * Prints when each that was accepted was accepted, by the monotonic clock, in milliseconds, and ends it by a reset. The patience is less
 * than the second after which TCP repeats a lost first packet, so that each answer is one to a connection that was begun just before.
 */
const [host = '', port = '0', every = '20', patience = '500'] = process.argv.slice(2);

setInterval(dial, Number(every));

function dial(): void {
  const socket = connect({ host, port: Number(port) });
  const giveUp = setTimeout(() => socket.destroy(), Number(patience));
  socket.on('connect', () => {
    process.stdout.write(`${Number(process.hrtime.bigint()) / 1e6}\n`);
    socket.resetAndDestroy();
  });
  // One that was refused, or that could not be sent, has no answer.
  socket.on('error', () => undefined);
  socket.on('close', () => clearTimeout(giveUp));
}
