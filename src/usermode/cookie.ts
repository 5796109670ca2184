import { timingSafeEqual } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { type CookieReply, MAC_LENGTH, MACS_LENGTH } from './messages.ts';
import { hash, keyedHash } from './noise.ts';

const text = new TextEncoder();
const LABEL_MAC1 = text.encode('mac1----');
const LABEL_COOKIE = text.encode('cookie--');

/** How long a cookie, and the secret it was made from, is good for, in milliseconds. */
export const COOKIE_LIFETIME_MS = 120_000;

/**
 * A copy of a handshake datagram with mac1, which shows that we know whom we talk to, and mac2 (zeros
 * without a cookie), which shows that we own our source address.
 */
export function withMacs(datagram: Uint8Array, receiverPublicKey: Uint8Array, cookie?: Uint8Array): Uint8Array {
  const stamped = Uint8Array.from(datagram);
  stamped.set(mac1Of(stamped, receiverPublicKey), stamped.length - MACS_LENGTH);
  stamped.set(cookie === undefined ? new Uint8Array(MAC_LENGTH) : mac2Of(stamped, cookie), stamped.length - MAC_LENGTH);
  return stamped;
}

/** True when mac1 of a handshake datagram was made by someone who knows our public key. */
export function mac1IsValid(datagram: Uint8Array, ownPublicKey: Uint8Array): boolean {
  if (datagram.length < MACS_LENGTH) return false;
  const mac1 = datagram.subarray(datagram.length - MACS_LENGTH, datagram.length - MAC_LENGTH);
  return timingSafeEqual(mac1, mac1Of(datagram, ownPublicKey));
}

/** True when mac2 of a handshake datagram was made with this cookie. */
export function mac2IsValid(datagram: Uint8Array, cookie: Uint8Array): boolean {
  if (datagram.length < MACS_LENGTH) return false;
  return timingSafeEqual(datagram.subarray(datagram.length - MAC_LENGTH), mac2Of(datagram, cookie));
}

/** The cookie of a source address (its bytes and port as the caller writes them) under a secret that changes every two minutes. */
export function cookieFor(secret: Uint8Array, source: Uint8Array): Uint8Array {
  return keyedHash(secret, source);
}

/** The reply of a loaded responder to a handshake datagram; `nonce` is 24 random bytes. */
export function createCookieReply(
  datagram: Uint8Array,
  sender: number,
  own: { readonly publicKey: Uint8Array; readonly cookie: Uint8Array; readonly nonce: Uint8Array },
): CookieReply {
  const mac1 = datagram.subarray(datagram.length - MACS_LENGTH, datagram.length - MAC_LENGTH);
  const cipher = xchacha20poly1305(hash(LABEL_COOKIE, own.publicKey), own.nonce, mac1);
  return { kind: 'cookie', receiver: sender, nonce: own.nonce, sealedCookie: cipher.encrypt(own.cookie) };
}

/** The cookie in a reply to the handshake datagram whose mac1 this was; undefined when the reply is not authentic. */
export function consumeCookieReply(
  reply: CookieReply,
  peerPublicKey: Uint8Array,
  mac1: Uint8Array,
): Uint8Array | undefined {
  try {
    return xchacha20poly1305(hash(LABEL_COOKIE, peerPublicKey), reply.nonce, mac1).decrypt(reply.sealedCookie);
  } catch {
    return undefined;
  }
}

function mac1Of(datagram: Uint8Array, receiverPublicKey: Uint8Array): Uint8Array {
  return keyedHash(hash(LABEL_MAC1, receiverPublicKey), datagram.subarray(0, datagram.length - MACS_LENGTH));
}

function mac2Of(datagram: Uint8Array, cookie: Uint8Array): Uint8Array {
  return keyedHash(cookie, datagram.subarray(0, datagram.length - MAC_LENGTH));
}
