import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { text } from 'node:stream/consumers';
import { curveKeys } from '../../../../src/net/curve-keys.ts';
import { withMacs } from '../../../../src/usermode/cookie.ts';
import { createInitiation } from '../../../../src/usermode/handshake.ts';
import { encodeMessage, parseMessage } from '../../../../src/usermode/messages.ts';
import { timestampAt } from '../../../../src/usermode/timestamp.ts';

/** See ../knocking.ts: reads keys and doors, prints `INDEX NANOSECONDS` when all doors have answered the key with this index. */

const EVERY_MS = 4;
const NO_SECRET = new Uint8Array(32);

const { publicKey, endpoints, privateKeys } = JSON.parse(await text(process.stdin)) as {
  readonly publicKey: string;
  readonly endpoints: readonly string[];
  readonly privateKeys: readonly string[];
};
const gateway = Uint8Array.from(Buffer.from(publicKey, 'base64'));

for (const [index, privateKey] of privateKeys.entries()) {
  const local = curveKeys(Uint8Array.from(Buffer.from(privateKey, 'base64')));
  const answers = await Promise.all(endpoints.map((endpoint) => answer(local, endpoint)));
  console.log(`${index} ${Math.max(...answers)}`);
}
process.exit();

/** When the door answered the key, by the monotonic clock, in nanoseconds. */
function answer(local: ReturnType<typeof curveKeys>, endpoint: string): Promise<number> {
  const [address = '', port = ''] = endpoint.split(':');
  const socket = createSocket('udp4');
  let last: Uint8Array | undefined;
  const knock = () => {
    const timestamp = timestampAt(Date.now(), last);
    last = timestamp;
    const fresh = { ephemeral: curveKeys(randomBytes(32)), index: randomBytes(4).readUInt32BE(), timestamp };
    const created = createInitiation({ local, peerPublicKey: gateway, presharedKey: NO_SECRET }, fresh);
    if (!created.ok) throw new Error(created.problem);
    socket.send(withMacs(encodeMessage(created.value.message), gateway), Number(port), address);
  };
  return new Promise((resolve) => {
    const timer = setInterval(knock, EVERY_MS);
    socket.on('message', (datagram) => {
      const message = parseMessage(datagram);
      if (!message.ok || message.value.kind !== 'response') return;
      const at = Number(process.hrtime.bigint());
      clearInterval(timer);
      socket.close();
      resolve(at);
    });
    socket.on('error', () => undefined);
  });
}
