import { Agent, get } from 'node:http';

/*
 * Reads from a URL again and again by one connection: node drain-source.ts URL MS. After half as long, in which the connection finds its
 * pace, prints how many bytes came in a second.
 */
const [url = '', ms = '0'] = process.argv.slice(2);
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
setTimeout(() => {
  const [began, before] = [performance.now(), bytes];
  setTimeout(() => {
    console.log((bytes - before) / ((performance.now() - began) / 1000));
    process.exit(0);
  }, Number(ms));
}, Number(ms) / 2);
