import { type Parsed, parsed, refused } from './parsed.ts';

/** A Curve25519 public key as WireGuard writes it: 32 bytes in canonical base64, 44 characters. Never a low-order point. */
export type PublicKey = string & { readonly __publicKey: never };

/** A Curve25519 private key in the same spelling. Must never be logged, put in a status or in an argv. */
export type PrivateKey = string & { readonly __privateKey: never };

/** 32 random bytes that gateway and device mix into each handshake, in the same spelling. As secret as a private key. */
export type PresharedKey = string & { readonly __presharedKey: never };

/** The shape of 32 bytes in canonical base64, as a regular expression that CEL and JavaScript read alike. */
export const PUBLIC_KEY_PATTERN = '^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$';

/**
 * Every encoding of a point of low order: multiplying any scalar with one gives zero, so the "shared secret" is public
 * (RFC 7748, section 6.1). A list, because a multiplication per key would cost a restart with 10,000 peers eight seconds.
 */
export const LOW_ORDER_POINTS: readonly string[] = [
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA=',
  'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=',
  'AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA=',
  '4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuAA=',
  '4Ot6fDtBuK4WVuP68Z/EatoJjeucMrH9hmIFFl9JuIA=',
  'X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEVc=',
  'X5yVvKNQjCSx0LFVnIPvWwREXMRYHI6G2CJO3dCfEdc=',
  '7P///////////////////////////////////////38=',
  '7P////////////////////////////////////////8=',
  '7f///////////////////////////////////////38=',
  '7f////////////////////////////////////////8=',
  '7v///////////////////////////////////////38=',
  '7v////////////////////////////////////////8=',
];

const KEY_SHAPE = new RegExp(PUBLIC_KEY_PATTERN);
const LOW_ORDER = new Set(LOW_ORDER_POINTS);

/** A public key that a WireGuard handshake can use; the low-order points, whose shared secret anyone knows, are refused. */
export function parsePublicKey(text: string): Parsed<PublicKey> {
  if (!KEY_SHAPE.test(text))
    return refused(
      'a WireGuard public key is 44 characters of base64 ending in "="; print it with `wg pubkey < private.key`',
    );
  if (LOW_ORDER.has(text))
    return refused('this public key is a low-order point, with which no handshake is secret; generate a new key pair');
  return parsed(text as PublicKey);
}

/** A private key's text without surrounding white space, as key files have it. The problem never quotes the text. */
export function parsePrivateKey(text: string): Parsed<PrivateKey> {
  const trimmed = text.trim();
  if (!KEY_SHAPE.test(trimmed))
    return refused('a WireGuard private key is 44 characters of base64 ending in "="; make one with `wg genkey`');
  if (keyBytes(trimmed).every((byte) => byte === 0))
    return refused('the private key is all zeros; make one with `wg genkey`');
  return parsed(trimmed as PrivateKey);
}

/** A preshared key's text without surrounding white space. The problem never quotes the text. */
export function parsePresharedKey(text: string): Parsed<PresharedKey> {
  const trimmed = text.trim();
  if (!KEY_SHAPE.test(trimmed))
    return refused('a preshared key is 44 characters of base64 ending in "=", as `wg genpsk` prints it');
  // WireGuard takes zeros for "none".
  if (keyBytes(trimmed).every((byte) => byte === 0))
    return refused('a preshared key of zeros is none; make one with `wg genpsk`');
  return parsed(trimmed as PresharedKey);
}

/** The 32 bytes of a key. */
export function keyBytes(key: string): Uint8Array {
  return Uint8Array.from(Buffer.from(key, 'base64'));
}

/** The base64 text of 32 key bytes. */
export function keyText(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

/** The name of the file, or of a Secret's entry, that holds the private key of this public one; a name stands for one key for ever. */
export function keyFileName(publicKey: PublicKey): string {
  return publicKey.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
