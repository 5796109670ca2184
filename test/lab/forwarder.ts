import { connect, type Server } from 'node:net';

/**
 * The lab's door: started inside the lab with a listening socket of the machine (sent over the IPC channel), it
 * carries every connection made there to the address in its arguments, which only the lab can reach.
 */
const [address = '', port = ''] = process.argv.slice(2);

process.once('message', (_, server) => {
  (server as Server).on('connection', (outside) => {
    outside.setNoDelay(true);
    const inside = connect({ host: address, port: Number(port), noDelay: true });
    outside.pipe(inside).pipe(outside);
    for (const [one, other] of [
      [outside, inside],
      [inside, outside],
    ] as const) {
      // Whichever half fails or closes, the other has nobody to speak to any more.
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
  });
  process.send?.('listening', () => process.disconnect());
});
