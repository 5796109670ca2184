import { Agent, get } from 'node:http';

/*
 * Reads from a URL again and again by one connection, until it is killed: node drain-source.ts URL. Prints a line when the connection has found
 * its pace, and every 100 ms from then on how many bytes have come so far.
 */
const [url = ''] = process.argv.slice(2);
const PACE_MS = 400;
const EVERY_MS = 100;
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
setTimeout(() => setInterval(() => console.log(bytes), EVERY_MS), PACE_MS);
