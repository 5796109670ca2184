import { createSocket } from 'node:dgram';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';

/*
 * What stands behind Services: HTTP on the first port, a TCP echo on the second, UDP on the third. HTTP and UDP answer with
 * the address that the request came from.
 */
const [http = 0, echo = 0, udp = 0] = process.argv.slice(2).map(Number);
const BIG = Buffer.alloc(10_000_000, 'x');

const web = createHttpServer(async (request, response) => {
  let received = 0;
  for await (const chunk of request) received += chunk.length;
  const from = { from: request.socket.remoteAddress?.replace('::ffff:', ''), received };
  response.end(request.url === '/big' ? BIG : JSON.stringify(from));
}).listen(http, '::');
const echoes = createServer((socket) => {
  socket.on('error', () => undefined);
  socket.pipe(socket);
}).listen(echo, '::');
const datagrams = createSocket('udp6').bind(udp, '::');
datagrams.on('message', (_message, from) => {
  datagrams.send(JSON.stringify({ from: from.address.replace('::ffff:', '') }), from.port, from.address);
});

let left = 3;
const ready = () => {
  left -= 1;
  if (left === 0) console.log('ready');
};
for (const server of [web, echoes, datagrams]) server.once('listening', ready);
