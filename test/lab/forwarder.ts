import { connect, type Server } from 'node:net';
import { carry } from './carry.ts';

/**
 * The lab's door: started inside the lab with a listening socket of the machine (sent over the IPC channel), it
 * carries every connection made there to the address in its arguments, which only the lab can reach.
 */
const [address = '', port = ''] = process.argv.slice(2);

process.once('message', (_, server) => {
  (server as Server).on('connection', (outside) => carry(outside, connect({ host: address, port: Number(port) })));
  process.send?.('listening', () => process.disconnect());
});
