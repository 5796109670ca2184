import { x25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { curveKeys } from '../../src/net/curve-keys.ts';
import { sharedSecret } from '../../src/usermode/curve.ts';
import { hex, hexOf } from './builders.ts';

describe('X25519', () => {
  it.each([
    [
      'a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4',
      'e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c',
      'c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552',
    ],
    [
      '4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d',
      'e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493',
      '95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957',
    ],
  ])('multiplies as RFC 7748, section 5.2: %s', (scalar, point, wanted) => {
    expect(hexOf(sharedSecret(curveKeys(hex(scalar)), hex(point)) ?? hex(''))).toBe(wanted);
  });

  it('agrees on a secret as RFC 7748, section 6.1', () => {
    const alice = curveKeys(hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a'));
    const bob = curveKeys(hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb'));
    expect(hexOf(alice.publicKey)).toBe('8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a');
    expect(hexOf(bob.publicKey)).toBe('de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f');
    const secret = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
    expect(hexOf(sharedSecret(alice, bob.publicKey) ?? hex(''))).toBe(secret);
    expect(hexOf(sharedSecret(bob, alice.publicKey) ?? hex(''))).toBe(secret);
  });

  it('agrees with an independent implementation', () => {
    const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
    fc.assert(
      fc.property(key, key, (one, other) => {
        const point = x25519.getPublicKey(other);
        expect(hexOf(curveKeys(one).publicKey)).toBe(hexOf(x25519.getPublicKey(one)));
        expect(hexOf(sharedSecret(curveKeys(one), point) ?? hex(''))).toBe(hexOf(x25519.getSharedSecret(one, point)));
      }),
      { numRuns: 30 },
    );
  });

  it.each([
    ['0', '00'.repeat(32)],
    ['1', `01${'00'.repeat(31)}`],
    ['of order 8', 'e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800'],
    ['of order 8', '5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157'],
    ['p - 1', `ec${'ff'.repeat(30)}7f`],
    ['p', `ed${'ff'.repeat(30)}7f`],
    ['p + 1', `ee${'ff'.repeat(30)}7f`],
  ])('has no secret with the low-order point %s', (_name, point) => {
    expect(sharedSecret(curveKeys(hex('42'.repeat(32))), hex(point))).toBeUndefined();
  });

  it('refuses keys of another length', () => {
    expect(() => curveKeys(new Uint8Array(31))).toThrow(RangeError);
    expect(sharedSecret(curveKeys(hex('42'.repeat(32))), new Uint8Array(33))).toBeUndefined();
  });
});
