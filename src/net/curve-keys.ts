import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

export const KEY_LENGTH = 32;

/** A Curve25519 key pair whose private half can no longer be printed by accident. */
export interface CurveKeys {
  readonly privateKey: KeyObject;
  readonly publicKey: Uint8Array;
}

/** What RFC 8410 puts before the 32 bytes of an X25519 key; node:crypto imports nothing rawer on every version we run on. */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');

/** The pair of a raw private key, clamped or not (RFC 7748 clamps on use). @throws {RangeError} on another length than 32 bytes. */
export function curveKeys(privateKey: Uint8Array): CurveKeys {
  if (privateKey.length !== KEY_LENGTH) throw new RangeError(`a private key has 32 bytes, not ${privateKey.length}`);
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, privateKey]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  return { privateKey: key, publicKey: Uint8Array.from(spki.subarray(SPKI_PREFIX.length)) };
}

/** A raw public key of 32 bytes as node:crypto takes it. */
export function curvePublicKey(publicKey: Uint8Array): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
}
