import { blake2s } from '@noble/hashes/blake2.js';
import { hmac } from '@noble/hashes/hmac.js';
import { type AeadKey, aeadKey, open, seal } from './aead.ts';
import { concat } from './bytes.ts';

const text = new TextEncoder();
const EMPTY = new Uint8Array();

const CONSTRUCTION = text.encode('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s');
const IDENTIFIER = text.encode('WireGuard v1 zx2c4 Jason@zx2c4.com');

/** Noise's chaining key and transcript hash: all that both sides have agreed on so far. */
export interface Transcript {
  readonly chain: Uint8Array;
  readonly hash: Uint8Array;
}

/** BLAKE2s-256 over the parts. */
export function hash(...parts: readonly Uint8Array[]): Uint8Array {
  return blake2s(concat(...parts));
}

/** Keyed BLAKE2s with 16 bytes of output: the MAC of mac1, mac2 and cookies (key of at most 32 bytes). */
export function keyedHash(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  return blake2s(concat(...parts), { key, dkLen: 16 });
}

/** HKDF with HMAC-BLAKE2s as Noise uses it: `count` keys of 32 bytes from a chaining key and new input. */
export function derivedKeys(chain: Uint8Array, input: Uint8Array, count: 1 | 2 | 3): readonly Uint8Array[] {
  const extracted = hmac(blake2s, chain, input);
  const keys: Uint8Array[] = [];
  let last: Uint8Array = EMPTY;
  for (let number = 1; number <= count; number++) {
    last = hmac(blake2s, extracted, concat(last, Uint8Array.of(number)));
    keys.push(last);
  }
  return keys;
}

/**
 * The state before the first message: names of the construction and the protocol (Noise's prologue), and whom the
 * initiator wants to reach.
 */
export function firstTranscript(responderPublicKey: Uint8Array, prologue: Uint8Array = IDENTIFIER): Transcript {
  const chain = hash(CONSTRUCTION);
  return { chain, hash: hash(hash(chain, prologue), responderPublicKey) };
}

/** Noise's MixHash: what was sent in clear. */
export function mixHash(transcript: Transcript, sent: Uint8Array): Transcript {
  return { ...transcript, hash: hash(transcript.hash, sent) };
}

/** Mixes input into the chaining key alone. */
export function mixChain(transcript: Transcript, input: Uint8Array): Transcript {
  const [chain = EMPTY] = derivedKeys(transcript.chain, input, 1);
  return { ...transcript, chain };
}

/** Noise's MixKey: the next chaining key, and a key for the next sealed field. */
export function mixKey(
  transcript: Transcript,
  input: Uint8Array,
): { readonly transcript: Transcript; readonly key: AeadKey } {
  const [chain = EMPTY, key = EMPTY] = derivedKeys(transcript.chain, input, 2);
  return { transcript: { ...transcript, chain }, key: aeadKey(key) };
}

/** Noise's MixKeyAndHash, for the preshared key (32 zero bytes when there is none). */
export function mixPresharedKey(
  transcript: Transcript,
  presharedKey: Uint8Array,
): { readonly transcript: Transcript; readonly key: AeadKey } {
  const [chain = EMPTY, mixed = EMPTY, key = EMPTY] = derivedKeys(transcript.chain, presharedKey, 3);
  return { transcript: mixHash({ ...transcript, chain }, mixed), key: aeadKey(key) };
}

/** Noise's EncryptAndHash: a field that only a holder of `key` with the same transcript can open. */
export function sealField(
  transcript: Transcript,
  key: AeadKey,
  field: Uint8Array,
): { readonly transcript: Transcript; readonly sealed: Uint8Array } {
  const sealed = seal(key, 0, field, transcript.hash);
  return { transcript: mixHash(transcript, sealed), sealed };
}

/** Noise's DecryptAndHash; undefined when the field is not authentic. */
export function openField(
  transcript: Transcript,
  key: AeadKey,
  sealed: Uint8Array,
): { readonly transcript: Transcript; readonly field: Uint8Array } | undefined {
  const field = open(key, 0, sealed, transcript.hash);
  return field === undefined ? undefined : { transcript: mixHash(transcript, sealed), field };
}

/** Noise's Split: the keys for what the initiator and what the responder sends. */
export function transportKeys(transcript: Transcript): { readonly initiator: AeadKey; readonly responder: AeadKey } {
  const [initiator = EMPTY, responder = EMPTY] = derivedKeys(transcript.chain, EMPTY, 2);
  return { initiator: aeadKey(initiator), responder: aeadKey(responder) };
}
