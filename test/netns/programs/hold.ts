import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/*
 * Holds a TCP connection to an echo open: hold.ts HOST PORT. Says "echo" for each that came back, and at its end {"answer": …}, the
 * error's code; {"answer": "timeout"} once nothing has ended it for a minute.
 */
const [host = '', port = ''] = process.argv.slice(2);
const PATIENCE_MS = 60_000;
const EVERY_MS = 50;

const answer = await Promise.race([hold(), patience()]).catch(({ code }: NodeJS.ErrnoException) => code);
console.log(JSON.stringify({ answer }));
process.exit();

async function hold(): Promise<never> {
  const socket = connect(Number(port), host);
  // It may end at any moment, in the pauses too.
  const ended = new Promise<never>((_, reject) => socket.on('error', reject));
  return Promise.race([ended, echo(socket)]);
}

async function echo(socket: Socket): Promise<never> {
  await once(socket, 'connect');
  for (;;) {
    socket.write('.');
    await once(socket, 'data');
    console.log('echo');
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

async function patience(): Promise<string> {
  await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  return 'timeout';
}
