import { connect, createServer } from 'node:net';
import { carry } from './carry.ts';

/** Carries every connection to a socket file to an address that its network reaches: socket-forwarder.ts FILE ADDRESS PORT. */
const [file = '', address = '', port = ''] = process.argv.slice(2);
createServer((outside) => carry(outside, connect({ host: address, port: Number(port) }))).listen(file);
