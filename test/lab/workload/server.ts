import { createSocket } from 'node:dgram';
import { createServer } from 'node:http';

/**
 * Something to reach: HTTP and a UDP echo on the same port number.
 *   GET /          who answers, and who asked as this pod sees it, as JSON
 *   GET /bytes/N   a body of N bytes
 */
const port = Number(process.env.PORT ?? '8080');
const { POD_NAME: pod = 'unknown', NODE_NAME: node = 'unknown' } = process.env;
const CHUNK = Buffer.alloc(64 * 1024, 'x');

// A connection ends when its client or the network ends it, never by itself.
const server = createServer({ keepAliveTimeout: 0 }, (request, response) => {
  const bytes = /^\/bytes\/(\d+)$/.exec(request.url ?? '')?.[1];
  if (bytes === undefined) {
    response.setHeader('content-type', 'application/json');
    response.end(
      `${JSON.stringify({ pod, node, client: request.socket.remoteAddress, host: request.headers.host })}\n`,
    );
    return;
  }
  response.setHeader('content-length', bytes);
  let left = Number(bytes);
  const send = () => {
    while (left > 0) {
      const chunk = CHUNK.subarray(0, Math.min(left, CHUNK.length));
      left -= chunk.length;
      if (!response.write(chunk)) {
        response.once('drain', send);
        return;
      }
    }
    response.end();
  };
  send();
});
server.listen(port, '0.0.0.0');

const echo = createSocket('udp4');
echo.on('message', (message, from) => echo.send(message, from.port, from.address));
echo.bind(port);

// The first process of a PID namespace has no default for it.
process.on('SIGTERM', () => process.exit(0));
