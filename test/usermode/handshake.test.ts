import { describe, expect, it } from 'vitest';
import {
  consumeInitiation,
  consumeResponse,
  createInitiation,
  createResponse,
  type Identity,
} from '../../src/usermode/handshake.ts';
import { encodeMessage, type Initiation, parseMessage, type Response } from '../../src/usermode/messages.ts';
import { timestampAt } from '../../src/usermode/timestamp.ts';
import { newKeypair, openPacket, sealPacket } from '../../src/usermode/transport.ts';
import { identities, ipPacket, right, seeded, someKeys } from './builders.ts';

const LOW_ORDER = new Uint8Array(32);
const timestamp = timestampAt(1_800_000_000_000);

function initiation(identity: Identity) {
  return right(createInitiation(identity, { ephemeral: someKeys('first'), index: 11, timestamp }));
}

/** What arrives of a message that was sent. */
function received<T>(message: Initiation | Response): T {
  return right(parseMessage(encodeMessage(message))) as T;
}

function handshake(laptop: Identity, gateway: Identity) {
  const { message, sent } = initiation(laptop);
  const known = right(consumeInitiation(gateway.local, received(message)));
  const answer = right(createResponse(known, gateway.presharedKey, { ephemeral: someKeys('second'), index: 22 }));
  return { known, sent, answer, opened: consumeResponse(sent, laptop, received(answer.message)) };
}

describe.each([
  { name: 'without a preshared key', presharedKey: new Uint8Array(32) },
  { name: 'with a preshared key', presharedKey: seeded('secret')(32) },
] as readonly { readonly name: string; readonly presharedKey: Uint8Array }[])(
  'a handshake $name',
  ({ presharedKey }) => {
    const { laptop, gateway } = identities(presharedKey);

    it('tells the responder who asks and when', () => {
      const { known } = handshake(laptop, gateway);
      expect(known).toMatchObject({ peerPublicKey: laptop.local.publicKey, timestamp, remoteIndex: 11 });
    });

    it('gives both sides keys that open what the other seals, and not what they seal themselves', () => {
      const { answer, opened } = handshake(laptop, gateway);
      const [ours, theirs] = [newKeypair(right(opened), 0), newKeypair(answer.keys, 0)];
      expect(ours).toMatchObject({ initiator: true, localIndex: 11, remoteIndex: 22 });
      expect(theirs).toMatchObject({ initiator: false, localIndex: 22, remoteIndex: 11 });
      for (const [from, to] of [
        [ours, theirs],
        [theirs, ours],
      ] as const) {
        const { datagram } = sealPacket(from, ipPacket(7), 1420);
        const message = right(parseMessage(datagram));
        if (message.kind !== 'transport') throw new Error(message.kind);
        expect(right(openPacket(to, message)).packet).toEqual(ipPacket(7));
        expect(openPacket(from, message).ok).toBe(false);
      }
    });

    it('fails when a byte of either message is changed', () => {
      const { message, sent } = initiation(laptop);
      for (const field of ['ephemeral', 'sealedStatic', 'sealedTimestamp'] as const)
        for (let index = 0; index < message[field].length; index++) {
          const changed = Uint8Array.from(message[field]);
          changed[index] = (changed[index] ?? 0) ^ 1;
          expect(consumeInitiation(gateway.local, { ...message, [field]: changed }).ok).toBe(false);
        }
      const { answer } = handshake(laptop, gateway);
      for (const field of ['ephemeral', 'sealedNothing'] as const)
        for (let index = 0; index < answer.message[field].length; index++) {
          const changed = Uint8Array.from(answer.message[field]);
          changed[index] = (changed[index] ?? 0) ^ 1;
          expect(consumeResponse(sent, laptop, { ...answer.message, [field]: changed }).ok).toBe(false);
        }
    });

    it('fails for a responder with another key, and for an initiator who does not own the key it names', () => {
      const { message } = initiation(laptop);
      expect(consumeInitiation(someKeys('another'), message)).toMatchObject({
        ok: false,
        problem: 'the initiation is not sealed for our public key',
      });
      const imposter = { ...laptop, local: { ...someKeys('imposter'), publicKey: laptop.local.publicKey } };
      expect(consumeInitiation(gateway.local, initiation(imposter).message)).toMatchObject({
        ok: false,
        problem: 'the initiation was not made by the owner of its static key',
      });
    });

    it('fails when the preshared keys differ', () => {
      expect(handshake({ ...laptop, presharedKey: seeded('wrong')(32) }, gateway).opened).toMatchObject({
        ok: false,
        problem: expect.stringContaining('preshared keys differ'),
      });
    });

    it('takes only the answer to its own initiation', () => {
      const { sent, answer } = handshake(laptop, gateway);
      expect(consumeResponse(sent, laptop, { ...answer.message, receiver: 12 }).ok).toBe(false);
      expect(consumeResponse({ ...sent, ephemeral: someKeys('later') }, laptop, answer.message).ok).toBe(false);
    });
  },
);

describe('a low-order key', () => {
  const { laptop, gateway } = identities();
  const problem = expect.stringContaining('low-order');

  it('is refused wherever it stands', () => {
    const { message, sent } = initiation(laptop);
    const fresh = { ephemeral: someKeys('first'), index: 1 };
    expect(createInitiation({ ...laptop, peerPublicKey: LOW_ORDER }, { ...fresh, timestamp })).toMatchObject({
      problem,
    });
    expect(consumeInitiation(gateway.local, { ...message, ephemeral: LOW_ORDER })).toMatchObject({ problem });
    const { known, answer } = handshake(laptop, gateway);
    expect(createResponse({ ...known, ephemeral: LOW_ORDER }, gateway.presharedKey, fresh)).toMatchObject({ problem });
    expect(createResponse({ ...known, peerPublicKey: LOW_ORDER }, gateway.presharedKey, fresh)).toMatchObject({
      problem,
    });
    expect(consumeResponse(sent, laptop, { ...answer.message, ephemeral: LOW_ORDER })).toMatchObject({ problem });
  });

  it('is refused as the static key of an initiator', () => {
    const named = { ...laptop, local: { ...laptop.local, publicKey: LOW_ORDER } };
    expect(consumeInitiation(gateway.local, initiation(named).message)).toMatchObject({ ok: false, problem });
  });
});
