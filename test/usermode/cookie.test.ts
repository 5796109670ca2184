import { describe, expect, it } from 'vitest';
import {
  consumeCookieReply,
  cookieFor,
  createCookieReply,
  mac1IsValid,
  mac2IsValid,
  withMacs,
} from '../../src/usermode/cookie.ts';
import { encodeMessage, parseMessage } from '../../src/usermode/messages.ts';
import { right, seeded, someKeys } from './builders.ts';

const random = seeded('cookies');
const responder = someKeys('responder').publicKey;
const source = Uint8Array.of(192, 168, 13, 37, 10, 10);
const cookie = cookieFor(random(32), source);

function flipped(datagram: Uint8Array, index: number): Uint8Array {
  const changed = Uint8Array.from(datagram);
  changed[index] = (changed[index] ?? 0) ^ 0x20;
  return changed;
}

describe.each([148, 92])('the MACs of a handshake message of %i bytes', (length) => {
  const datagram = withMacs(random(length), responder);

  it('prove that the sender knows our key, over every byte before them', () => {
    expect(mac1IsValid(datagram, responder)).toBe(true);
    expect(mac1IsValid(datagram, someKeys('another').publicKey)).toBe(false);
    for (let index = 0; index < length - 16; index++)
      expect(mac1IsValid(flipped(datagram, index), responder)).toBe(false);
  });

  it('prove the source address only with the cookie that it was given', () => {
    expect(mac2IsValid(datagram, cookie)).toBe(false);
    const proven = withMacs(datagram, responder, cookie);
    expect(mac1IsValid(proven, responder)).toBe(true);
    expect(mac2IsValid(proven, cookie)).toBe(true);
    expect(mac2IsValid(flipped(proven, 5), cookie)).toBe(false);
    expect(mac2IsValid(proven, cookieFor(random(32), source))).toBe(false);
  });

  it('are not there in a datagram that is too short', () => {
    expect(mac1IsValid(datagram.subarray(0, 31), responder)).toBe(false);
    expect(mac2IsValid(datagram.subarray(0, 31), cookie)).toBe(false);
  });
});

describe('a cookie reply', () => {
  const datagram = withMacs(random(148), responder);
  const mac1 = datagram.slice(116, 132);
  const reply = createCookieReply(datagram, 1377, { publicKey: responder, cookie, nonce: random(24) });

  it('gives the cookie to whoever sent the message, over the wire', () => {
    const received = right(parseMessage(encodeMessage(reply)));
    expect(received).toEqual(reply);
    expect(consumeCookieReply(reply, responder, mac1)).toEqual(cookie);
  });

  it('is refused when it answers another message, comes from another peer, or was changed', () => {
    expect(consumeCookieReply(reply, responder, flipped(mac1, 3))).toBeUndefined();
    expect(consumeCookieReply(reply, someKeys('another').publicKey, mac1)).toBeUndefined();
    for (let index = 0; index < 32; index++) {
      const changed = { ...reply, sealedCookie: flipped(reply.sealedCookie, index) };
      expect(consumeCookieReply(changed, responder, mac1)).toBeUndefined();
    }
  });

  it('carries a cookie that is another for another address', () => {
    const secret = random(32);
    expect(cookieFor(secret, source)).not.toEqual(cookieFor(secret, flipped(source, 0)));
    expect(cookieFor(secret, source)).toHaveLength(16);
  });
});
