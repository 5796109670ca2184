import { Agent, get } from 'node:http';

/*
 * Reads from a URL again and again by one connection: node drain-source.ts URL. Prints `MICROSECONDS BYTES` every 20 ms: the machine's
 * monotonic clock, and what has come so far.
 */
const [url = ''] = process.argv.slice(2);
const EVERY_MS = 20;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let bytes = 0;

function read(): void {
  get(url, { agent }, (response) => {
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
    });
    response.on('end', read);
  });
}

read();
setInterval(() => console.log(`${process.hrtime.bigint() / 1000n} ${bytes}`), EVERY_MS);
