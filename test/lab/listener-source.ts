import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** Answers everybody who knocks at a TCP and UDP port, and prints who did: node listener-source.ts PORT */
const port = Number(process.argv[2]);
const server = createServer((socket) => {
  process.stdout.write(`tcp ${socket.remoteAddress}\n`);
  socket.on('error', () => undefined);
  socket.end('open');
});
const echo = createSocket('udp4');
echo.on('message', (message, from) => {
  process.stdout.write(`udp ${from.address}\n`);
  echo.send(message, from.port, from.address);
});
server.listen(port, '0.0.0.0', () => echo.bind(port, '0.0.0.0', () => process.stdout.write('ready\n')));
