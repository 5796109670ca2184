import { connect } from 'node:net';

/*
 * Begins a new TCP connection again and again, whether or not those before were answered: attempts.ts HOST PORT EVERY_MS. Says of each that
 * was accepted when it was begun and when that was, in milliseconds since 1970.
 */
const [host = '', port = '', everyMs = ''] = process.argv.slice(2);
const PATIENCE_MS = 10_000;

console.log('ready');
setInterval(() => {
  const began = Date.now();
  const socket = connect(Number(port), host);
  socket.setTimeout(PATIENCE_MS, () => socket.destroy());
  socket.on('error', () => undefined);
  socket.on('connect', () => {
    console.log(JSON.stringify({ began, connected: Date.now() }));
    socket.destroy();
  });
}, Number(everyMs));
