import { connect } from 'node:net';

/*
 * Begins a TCP connection every so often until it is killed: node dial.ts ADDRESS PORT EVERY_MS PATIENCE_MS [http]
 * Prints of each how it ended: `NUMBER BEGAN ANSWERED`, or `NUMBER BEGAN` where there was no answer in time; by the monotonic clock, in
 * milliseconds. A connection that was accepted is an answer; with `http`, the first byte of the answer to a request on it. Then it is reset.
 * A patience of less than the second after which TCP repeats a lost first packet makes each answer one to a connection that was begun just
 * before.
 */
const [host = '', port = '0', every = '20', patience = '500', kind = 'tcp'] = process.argv.slice(2);
const REQUEST = `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
let begun = 0;

setInterval(dial, Number(every));

function dial(): void {
  const number = begun++;
  const began = now();
  let answered: number | undefined;
  const socket = connect({ host, port: Number(port) });
  const giveUp = setTimeout(() => socket.destroy(), Number(patience));
  const answer = () => {
    answered ??= now();
    socket.resetAndDestroy();
  };
  socket.on('connect', () => (kind === 'http' ? socket.write(REQUEST) : answer()));
  socket.on('data', answer);
  // One that was refused, or that could not be sent, has no answer.
  socket.on('error', () => undefined);
  socket.on('close', () => {
    clearTimeout(giveUp);
    process.stdout.write(`${number} ${began}${answered === undefined ? '' : ` ${answered}`}\n`);
  });
}

function now(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
