import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';

/*
 * One question from inside a namespace, answered by one line of JSON: {"answer": …, "ms": …}.
 * tcp HOST PORT | udp HOST PORT | get URL | post URL BYTES | hold HOST PORT (a line per echo, until stopped)
 */
const [kind = '', target = '', third = ''] = process.argv.slice(2);
const PATIENCE_MS = 3000;
const started = performance.now();

const answer = await Promise.race([ask(), patience()]).catch(codeOf);
console.log(JSON.stringify({ answer, ms: performance.now() - started }));
process.exit();

async function ask(): Promise<unknown> {
  if (kind === 'tcp') return tcp();
  if (kind === 'udp') return udp();
  if (kind === 'hold') return hold();
  const body = kind === 'post' ? { method: 'POST', body: 'x'.repeat(Number(third)) } : {};
  const response = await fetch(target, body);
  const text = await response.text();
  return text.startsWith('{') ? JSON.parse(text) : { bytes: text.length };
}

async function tcp(): Promise<string> {
  await once(connect(Number(third), target), 'connect');
  return 'connected';
}

async function udp(): Promise<unknown> {
  const socket = createSocket(target.includes(':') ? 'udp6' : 'udp4');
  const message = once(socket, 'message');
  socket.connect(Number(third), target, () => socket.send('who'));
  const [text] = await message;
  return JSON.parse(String(text));
}

async function hold(): Promise<string> {
  const socket = connect(Number(third), target);
  await once(socket, 'connect');
  for (;;) {
    socket.write('.');
    await once(socket, 'data');
    console.log('echo');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function patience(): Promise<string> {
  await new Promise((resolve) =>
    setTimeout(resolve, kind === 'hold' ? 60_000 : kind === 'get' || kind === 'post' ? 15_000 : PATIENCE_MS),
  );
  return 'timeout';
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { readonly code?: string; readonly cause?: { readonly code?: string } };
  return code ?? cause?.code ?? String(error);
}
