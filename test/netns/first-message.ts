import { randomBytes } from 'node:crypto';
import { curveKeys } from '../../src/net/curve-keys.ts';
import { withMacs } from '../../src/usermode/cookie.ts';
import { createInitiation } from '../../src/usermode/handshake.ts';
import { encodeMessage } from '../../src/usermode/messages.ts';
import { timestampAt } from '../../src/usermode/timestamp.ts';

/** The first message of a handshake with the gateway of this public key, by a private key that nobody knows unless one is given. */
export function firstMessage(gateway: Uint8Array, privateKey: Uint8Array = randomBytes(32)): Uint8Array {
  const fresh = {
    ephemeral: curveKeys(randomBytes(32)),
    index: randomBytes(4).readUInt32BE(),
    timestamp: timestampAt(Date.now()),
  };
  const identity = { local: curveKeys(privateKey), peerPublicKey: gateway, presharedKey: new Uint8Array(32) };
  const created = createInitiation(identity, fresh);
  if (!created.ok) throw new Error(created.problem);
  return withMacs(encodeMessage(created.value.message), gateway);
}
