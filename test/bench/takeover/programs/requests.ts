import { request } from 'node:http';

/*
 * Makes an HTTP request every so often until it is killed: node requests.ts URL EVERY_MS PATIENCE_MS
 * Prints a line for each once it has ended: `ok`, `cut` (it failed once it was connected) or `failed`, and how long it took in milliseconds.
 */
const [url = '', every = '20', patience = '5000'] = process.argv.slice(2);

setInterval(ask, Number(every));

function ask(): void {
  const began = performance.now();
  let isOver = false;
  let isConnected = false;
  const end = (isAnswered: boolean) => {
    if (isOver) return;
    isOver = true;
    const what = isAnswered ? 'ok' : isConnected ? 'cut' : 'failed';
    process.stdout.write(`${what} ${(performance.now() - began).toFixed(1)}\n`);
  };
  const asked = request(url, { agent: false, signal: AbortSignal.timeout(Number(patience)) }, (answer) => {
    answer.resume();
    answer.on('end', () => end(answer.statusCode === 200));
    answer.on('error', () => end(false));
  });
  asked.on('error', () => end(false));
  asked.on('socket', (socket) => {
    socket.on('connect', () => {
      isConnected = true;
    });
  });
  asked.end();
}
