import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';

export const TAG_LENGTH = 16;

/** A ChaCha20-Poly1305 key. Kept as a KeyObject: a raw key costs three times as much per packet on Node 24. */
export type AeadKey = KeyObject;

const CIPHER = 'chacha20-poly1305';

/** Imports 32 key bytes. */
export function aeadKey(bytes: Uint8Array): AeadKey {
  return createSecretKey(bytes);
}

/** Plaintext sealed under a counter that was never used with this key (RFC 8439): ciphertext, then a 16-byte tag. */
export function seal(key: AeadKey, counter: number, plaintext: Uint8Array, associated?: Uint8Array): Uint8Array {
  const cipher = createCipheriv(CIPHER, key, nonceOf(counter), { authTagLength: TAG_LENGTH });
  if (associated !== undefined) cipher.setAAD(associated, { plaintextLength: plaintext.length });
  const sealed = new Uint8Array(plaintext.length + TAG_LENGTH);
  sealed.set(cipher.update(plaintext), 0);
  cipher.final();
  sealed.set(cipher.getAuthTag(), plaintext.length);
  return sealed;
}

/** What was sealed, or undefined when key, counter, associated bytes or any sealed byte differ. */
export function open(
  key: AeadKey,
  counter: number,
  sealed: Uint8Array,
  associated?: Uint8Array,
): Uint8Array | undefined {
  const length = sealed.length - TAG_LENGTH;
  if (length < 0) return undefined;
  const decipher = createDecipheriv(CIPHER, key, nonceOf(counter), { authTagLength: TAG_LENGTH });
  if (associated !== undefined) decipher.setAAD(associated, { plaintextLength: length });
  decipher.setAuthTag(sealed.subarray(length));
  const plaintext = decipher.update(sealed.subarray(0, length));
  try {
    decipher.final();
  } catch {
    return undefined;
  }
  return new Uint8Array(plaintext.buffer, plaintext.byteOffset, plaintext.length);
}

/** Four zero bytes, then the counter as 64 bits, little endian: WireGuard's nonce. */
function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  const view = new DataView(nonce.buffer);
  view.setUint32(4, counter >>> 0, true);
  view.setUint32(8, Math.floor(counter / 2 ** 32), true);
  return nonce;
}
