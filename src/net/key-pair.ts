import { curveKeys, KEY_LENGTH } from './curve-keys.ts';
import { keyBytes, keyText, type PrivateKey, type PublicKey } from './key.ts';

/** Two halves that belong together. What needs the curve stands apart from `key.ts`: whoever only reads keys, as `sallyport status` does, loads no arithmetic. */
export interface KeyPair {
  readonly publicKey: PublicKey;
  readonly privateKey: PrivateKey;
}

/** The public half of a private key. */
export function publicKeyOf(privateKey: PrivateKey): PublicKey {
  return keyText(curveKeys(keyBytes(privateKey)).publicKey) as PublicKey;
}

/** A key pair from 32 random bytes, clamped as `wg genkey` does (RFC 7748, section 5). @throws {RangeError} on another length. */
export function keyPairFrom(random: Uint8Array): KeyPair {
  if (random.length !== KEY_LENGTH)
    throw new RangeError(`a key needs ${KEY_LENGTH} random bytes, not ${random.length}`);
  const scalar = Uint8Array.from(random);
  scalar[0] = (scalar[0] ?? 0) & 248;
  scalar[31] = ((scalar[31] ?? 0) & 127) | 64;
  const privateKey = keyText(scalar) as PrivateKey;
  return { publicKey: publicKeyOf(privateKey), privateKey };
}
