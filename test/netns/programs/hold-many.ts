import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/*
 * Opens COUNT TCP connections to an echo, one after the other, and keeps those that are let in: hold-many.ts HOST PORT COUNT. Says
 * {"open", "refused"} once, and then {"echoes"} again and again, of how many a byte came back.
 */
const [host = '', port = '', count = '0'] = process.argv.slice(2);
const EVERY_MS = 100;

const held = new Set<Socket>();
const refused: Record<string, number> = {};
let opened = 0;
for (let tried = 0; tried < Number(count); tried += 1) await open();
console.log(JSON.stringify({ open: opened, refused }));
for (;;) {
  const echoes = await Promise.all([...held].map(echoed));
  console.log(JSON.stringify({ echoes: echoes.filter(Boolean).length }));
  await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
}

async function open(): Promise<void> {
  const socket = connect(Number(port), host);
  try {
    await once(socket, 'connect');
    opened += 1;
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    refused[code] = (refused[code] ?? 0) + 1;
    return;
  }
  held.add(socket);
  socket.on('error', () => held.delete(socket));
}

async function echoed(socket: Socket): Promise<boolean> {
  socket.write('.');
  const [byte] = await Promise.race([
    once(socket, 'data'),
    new Promise<[]>((resolve) => setTimeout(resolve, 2_000, [])),
  ]);
  return byte !== undefined;
}
