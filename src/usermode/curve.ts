import { diffieHellman } from 'node:crypto';
import { type CurveKeys, curvePublicKey, KEY_LENGTH } from '../net/curve-keys.ts';

/**
 * The X25519 secret of a pair and another's public key; undefined for a low-order point, whose secret is
 * all zeros and known to everyone (RFC 7748, section 6.1).
 */
export function sharedSecret(own: CurveKeys, publicKey: Uint8Array): Uint8Array | undefined {
  if (publicKey.length !== KEY_LENGTH) return undefined;
  const other = curvePublicKey(publicKey);
  try {
    const secret = diffieHellman({ privateKey: own.privateKey, publicKey: other });
    return secret.every((byte) => byte === 0) ? undefined : Uint8Array.from(secret);
  } catch {
    // OpenSSL's only refusal here is the all-zero result.
    return undefined;
  }
}
