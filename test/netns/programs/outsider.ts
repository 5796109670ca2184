import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { firstMessage } from '../first-message.ts';

/*
 * Sends to ADDRESS PORT what somebody can who has the gateway's PUBLIC_KEY at most, so many of each kind, each kind from a socket of its own; and
 * after that, from the same socket, the first message of a device with the private KEY, until that one is answered. Prints for each kind
 * what came back, errors of ICMP too, at the sockets of that kind: {KIND: [TEXT]}.
 */

const [address = '', port = '0', publicKey = '', key = ''] = process.argv.slice(2);
const gateway = Uint8Array.from(Buffer.from(publicKey, 'base64'));
const own = Uint8Array.from(Buffer.from(key, 'base64'));
/** So few that WireGuard does not think that it is flooded, when it would send cookies. */
const OF_EACH = 10;
const AGAIN_MS = 50;
const MAC1_AT = 148 - 32;
const RESPONSE = 2;

const wrongMac = () => {
  const message = firstMessage(gateway);
  message[MAC1_AT] = (message[MAC1_AT] ?? 0) ^ 1;
  return message;
};
/** A message of this type and length, and otherwise anything. */
const typed = (type: number, length: number) => () => Uint8Array.from([type, 0, 0, 0, ...randomBytes(length - 4)]);
const sizes = [1, 4, 31, 32, 64, 92, 148, 149, 512, 1400];
let next = 0;

const KINDS: Readonly<Record<string, () => Uint8Array>> = {
  nothing: () => new Uint8Array(),
  junk: () => randomBytes(sizes[next++ % sizes.length] ?? 1),
  'first messages of junk': typed(1, 148),
  'second messages of junk': typed(2, 92),
  'cookies of junk': typed(3, 64),
  'keepalives of unknown sessions': typed(4, 32),
  'packets of unknown sessions': typed(4, 1200),
  'first messages with a wrong mac1': wrongMac,
  'first messages by strangers': () => firstMessage(gateway),
};

const heard: Record<string, readonly string[]> = {};
for (const [kind, message] of Object.entries(KINDS)) heard[kind] = await tried(message);
console.log(JSON.stringify(heard));
process.exit();

async function tried(message: () => Uint8Array): Promise<readonly string[]> {
  const socket = createSocket('udp4');
  const heard: string[] = [];
  const answered = Promise.withResolvers<void>();
  socket.on('error', ({ message }) => heard.push(message));
  socket.on('message', (datagram) => {
    if (datagram[0] === RESPONSE && datagram.length === 92) answered.resolve();
    heard.push(`type ${datagram[0]}, ${datagram.length} bytes`);
  });
  socket.connect(Number(port), address);
  await once(socket, 'connect');
  for (let sent = 0; sent < OF_EACH; sent += 1) socket.send(message());
  const ask = () => socket.send(firstMessage(gateway, own));
  const again = setInterval(ask, AGAIN_MS);
  ask();
  await answered.promise;
  clearInterval(again);
  return heard;
}
