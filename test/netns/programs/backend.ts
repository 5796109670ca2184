import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';

/*
 * What stands behind Services, by three ports each: HTTP on the first port, a TCP echo on the second, UDP on the third. HTTP and UDP answer with
 * the address that the request came from.
 */
const ports = process.argv.slice(2).map(Number);
const BIG = 10_000_000;

function listening([http = 0, echo = 0, udp = 0]: readonly number[]) {
  const web = createHttpServer(async (request, response) => {
    let received = 0;
    for await (const chunk of request) received += chunk.length;
    const from = { from: request.socket.remoteAddress?.replace('::ffff:', ''), received };
    response.end(request.url === '/big' ? Buffer.alloc(BIG, 'x') : JSON.stringify(from));
  }).listen(http, '::');
  const echoes = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  }).listen(echo, '::');
  const datagrams = createSocket('udp6').bind(udp, '::');
  datagrams.on('message', (_message, from) => {
    datagrams.send(JSON.stringify({ from: from.address.replace('::ffff:', '') }), from.port, from.address);
  });
  return [web, echoes, datagrams].map((server) => once(server, 'listening'));
}

const threes = Array.from({ length: Math.max(1, Math.ceil(ports.length / 3)) }, (_, index) =>
  ports.slice(3 * index, 3 * index + 3),
);
await Promise.all(threes.flatMap(listening));
console.log('ready');
