import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import type { Door, Heard } from './knock.ts';

/** A datagram that was lost is sent again after this; that there is no answer takes all the patience. */
const AGAIN_MS = 500;

/** Knocks at all doors at once and prints what was heard, as JSON: node knock-source.ts DOORS PATIENCE_MS */
const doors = JSON.parse(process.argv[2] ?? '[]') as readonly Door[];
const patience = Number(process.argv[3]);

function knock(door: Door): Promise<Heard> {
  const began = performance.now();
  return new Promise((resolve) => {
    const hear = (answer: string) => resolve({ answer, ms: Math.round(performance.now() - began) });
    setTimeout(() => hear('silence'), patience).unref();
    if (door.protocol === 'tcp') knockTcp(door, hear);
    else knockUdp(door, hear);
  });
}

function knockTcp({ address, port, source }: Door, hear: (answer: string) => void): void {
  const socket = connect({ host: address, port, ...(source === undefined ? {} : { localAddress: source }) });
  socket.on('connect', () => hear('open'));
  socket.on('error', (error: NodeJS.ErrnoException) => hear(error.code ?? error.message));
}

function knockUdp({ address, port, source }: Door, hear: (answer: string) => void): void {
  const socket = createSocket('udp4');
  socket.on('message', () => hear('open'));
  socket.on('error', (error: NodeJS.ErrnoException) => hear(error.code ?? error.message));
  const send = () => socket.send('knock', () => undefined);
  socket.bind(0, source, () =>
    socket.connect(port, address, () => {
      send();
      setInterval(send, AGAIN_MS).unref();
    }),
  );
}

process.stdout.write(JSON.stringify(await Promise.all(doors.map(knock))), () => process.exit(0));
