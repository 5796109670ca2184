import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { withMacs } from '../../../src/usermode/cookie.ts';
import { curveKeys } from '../../../src/usermode/curve.ts';
import { createInitiation } from '../../../src/usermode/handshake.ts';
import { encodeMessage } from '../../../src/usermode/messages.ts';
import { timestampAt } from '../../../src/usermode/timestamp.ts';

/*
 * Sends first messages of handshakes to ADDRESS PORT as fast as it can for MILLISECONDS, by keys that nobody knows there, as anybody
 * can who has the gateway's PUBLIC_KEY: in turn from a port of each SOURCE, which is what a forged source looks like. Prints a line when it
 * begins, and at the end how many it has sent.
 */

const [address = '', port = '0', publicKey = '', milliseconds = '0', ...sources] = process.argv.slice(2);
const gateway = Uint8Array.from(Buffer.from(publicKey, 'base64'));
/** Each costs the gateway as much as a new one would: it remembers none of them. */
const MESSAGES = 200;
const AT_ONCE = 50;

const messages = Array.from({ length: MESSAGES }, firstMessage);
const sockets = await Promise.all(
  sources.map(async (source) => {
    const socket = createSocket('udp4');
    socket.bind(0, source);
    await once(socket, 'listening');
    return socket;
  }),
);
console.log('begins');
const end = performance.now() + Number(milliseconds);
let sent = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    while (performance.now() < end) {
      const [socket, message] = [sockets[sent % sockets.length], messages[sent % MESSAGES]];
      sent += 1;
      await new Promise((resolve) => socket?.send(message ?? '', Number(port), address, resolve));
    }
  }),
);
console.log(sent);
process.exit();

function firstMessage(): Uint8Array {
  const local = curveKeys(randomBytes(32));
  const fresh = {
    ephemeral: curveKeys(randomBytes(32)),
    index: randomBytes(4).readUInt32BE(),
    timestamp: timestampAt(Date.now()),
  };
  const created = createInitiation({ local, peerPublicKey: gateway, presharedKey: new Uint8Array(32) }, fresh);
  if (!created.ok) throw new Error(created.problem);
  return withMacs(encodeMessage(created.value.message), gateway);
}
