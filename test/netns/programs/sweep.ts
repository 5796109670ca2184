import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/*
 * Tries many ports of one address: sweep.ts tcp|udp HOST FILE, which holds a JSON list of ports. Of TCP prints {"open", "silent", "refused"}: which
 * answered, which said nothing, and how many said no. Of UDP, where hardly anything answers, it sends a datagram to each, and prints how many.
 */
const [kind = '', host = '', file = ''] = process.argv.slice(2);
const AT_ONCE = 500;
/** The kernel sends a SYN again after 1 s and after 3 s. */
const PATIENCE_MS = 6_000;
/** No more than a tunnel's queue holds, and then time to empty it. */
const [BURST, PAUSE_MS] = [200, 8];

const ports: readonly number[] = JSON.parse(readFileSync(file, 'utf8'));
console.log(JSON.stringify(kind === 'tcp' ? await connectToAll() : await sendToAll()));
process.exit();

async function connectToAll() {
  const seen = { open: [] as number[], silent: [] as number[], refused: 0 };
  const left = ports.values();
  const tryOn = async () => {
    for (const port of left) {
      const outcome = await tried(port);
      if (outcome === 'refused') seen.refused += 1;
      else seen[outcome].push(port);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, tryOn));
  return seen;
}

async function tried(port: number): Promise<'open' | 'refused' | 'silent'> {
  const socket = connect({ port, host });
  const late = Promise.withResolvers<'silent'>();
  const timer = setTimeout(late.resolve, PATIENCE_MS, 'silent');
  const told = once(socket, 'connect').then(
    () => 'open' as const,
    () => 'refused' as const,
  );
  try {
    return await Promise.race([told, late.promise]);
  } finally {
    clearTimeout(timer);
    socket.destroy();
  }
}

async function sendToAll() {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  // Refusals of earlier datagrams come back as errors of later ones.
  socket.on('error', () => undefined);
  for (const [index, port] of ports.entries()) {
    await new Promise((resolve) => socket.send('x', port, host, resolve));
    if (index % BURST === 0) await delay(PAUSE_MS);
  }
  return ports.length;
}
