import { request } from 'node:http';

/*
 * Makes an HTTP request every so often until it is killed: node requests.ts URL EVERY_MS PATIENCE_MS
 * Prints a line for each once it has ended: `ok` or `failed`, and how long it took in milliseconds.
 */
const [url = '', every = '20', patience = '5000'] = process.argv.slice(2);

setInterval(ask, Number(every));

function ask(): void {
  const began = performance.now();
  let isOver = false;
  const end = (what: 'ok' | 'failed') => {
    if (isOver) return;
    isOver = true;
    process.stdout.write(`${what} ${(performance.now() - began).toFixed(1)}\n`);
  };
  const asked = request(url, { agent: false, signal: AbortSignal.timeout(Number(patience)) }, (answer) => {
    answer.resume();
    answer.on('end', () => end(answer.statusCode === 200 ? 'ok' : 'failed'));
    answer.on('error', () => end('failed'));
  });
  asked.on('error', () => end('failed'));
  asked.end();
}
