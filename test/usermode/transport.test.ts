import { describe, expect, it } from 'vitest';
import { aeadKey, seal } from '../../src/usermode/aead.ts';
import { parseMessage, type Transport } from '../../src/usermode/messages.ts';
import {
  isUsable,
  type Keypair,
  newKeypair,
  openPacket,
  REJECT_AFTER_MESSAGES,
  REJECT_AFTER_MS,
  sealPacket,
} from '../../src/usermode/transport.ts';
import { ipPacket, right, seeded } from './builders.ts';

const [there, back] = [aeadKey(seeded('there')(32)), aeadKey(seeded('back')(32))];
const sender = newKeypair({ initiator: true, localIndex: 1, remoteIndex: 2, sendKey: there, receiveKey: back }, 0);
const receiver = newKeypair({ initiator: false, localIndex: 2, remoteIndex: 1, sendKey: back, receiveKey: there }, 0);
const MTU = 1420;

function messageOf(datagram: Uint8Array): Transport {
  const message = right(parseMessage(datagram));
  if (message.kind !== 'transport') throw new Error(message.kind);
  return message;
}

/** `count` packets, sealed in order. */
function sealed(count: number): readonly Transport[] {
  const messages: Transport[] = [];
  let keypair: Keypair = sender;
  for (let number = 0; number < count; number++) {
    const next = sealPacket(keypair, ipPacket(number), MTU);
    keypair = next.keypair;
    messages.push(messageOf(next.datagram));
  }
  return messages;
}

/** The numbers of the packets that were let through. */
function opened(messages: readonly Transport[]): readonly number[] {
  let keypair: Keypair = receiver;
  return messages.flatMap((message) => {
    const result = openPacket(keypair, message);
    if (!result.ok) return [];
    keypair = result.value.keypair;
    return [new DataView(result.value.packet.slice().buffer).getUint32(24)];
  });
}

describe('a transport message', () => {
  it('arrives once, in whatever order', () => {
    const messages = sealed(50);
    expect(opened(messages)).toEqual(messages.map(({ counter }) => counter));
    expect(opened(messages.toReversed())).toHaveLength(50);
    expect(opened([...messages, ...messages])).toHaveLength(50);
  });

  it('is refused with any byte changed', () => {
    const { datagram } = sealPacket(sender, ipPacket(1), MTU);
    for (let index = 8; index < datagram.length; index++) {
      const changed = Uint8Array.from(datagram);
      changed[index] = (changed[index] ?? 0) ^ 1;
      const message = parseMessage(changed);
      if (message.ok) expect(openPacket(receiver, message.value as Transport).ok).toBe(false);
    }
  });

  it.each([
    [0, 32],
    [1, 48],
    [16, 48],
    [17, 64],
    [1419, 1420 + 32],
    [1420, 1420 + 32],
  ])('of %i bytes has %i: padded to 16, but never beyond the MTU', (length, wanted) => {
    expect(sealPacket(sender, new Uint8Array(length), MTU).datagram).toHaveLength(wanted);
  });

  it('loses its padding by what the packet says of itself, IPv4 or IPv6', () => {
    const v6 = new Uint8Array(47);
    v6[0] = 0x60;
    v6[5] = 7;
    for (const packet of [ipPacket(3, 29), v6, new Uint8Array(0)]) {
      const message = messageOf(sealPacket(sender, packet, MTU).datagram);
      expect(right(openPacket(receiver, message)).packet).toEqual(packet);
    }
  });

  it('is refused when it holds no whole IP packet', () => {
    const tooLong = ipPacket(1, 20);
    tooLong[3] = 200;
    const tooShort = ipPacket(1, 20);
    tooShort[3] = 19;
    for (const packet of [tooLong, tooShort, new Uint8Array(10).fill(0x45), new Uint8Array(40).fill(0x75)]) {
      const message = { kind: 'transport', receiver: 2, counter: 0, sealed: seal(there, 0, packet) } as const;
      expect(openPacket(receiver, message)).toMatchObject({
        ok: false,
        problem: 'the packet holds no whole IP packet',
      });
    }
  });
});

describe('a session', () => {
  it('carries nothing after three minutes or at the last counter', () => {
    expect(isUsable(sender, REJECT_AFTER_MS - 1)).toBe(true);
    expect(isUsable(sender, REJECT_AFTER_MS)).toBe(false);
    expect(isUsable({ ...sender, sent: REJECT_AFTER_MESSAGES }, 0)).toBe(false);
    const message = { kind: 'transport', receiver: 2, counter: REJECT_AFTER_MESSAGES } as const;
    const sealedLast = seal(there, REJECT_AFTER_MESSAGES, ipPacket(1));
    expect(openPacket(receiver, { ...message, sealed: sealedLast }).ok).toBe(false);
  });
});
