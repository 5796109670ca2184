import { createCipheriv } from 'node:crypto';
import { chacha20poly1305, xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { aeadKey, open, seal } from '../../src/usermode/aead.ts';
import { hex, hexOf } from './builders.ts';

const SUNSCREEN = hexOf(
  Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  ),
);
const KEY = '808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f';
const AAD = '50515253c0c1c2c3c4c5c6c7';

describe('ChaCha20-Poly1305', () => {
  it('of OpenSSL and of noble seal as RFC 8439, section 2.8.2', () => {
    const wanted = `d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b
      1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc
      3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691`.replace(/\s/g, '');
    const nonce = hex('070000004041424344454647');
    expect(hexOf(chacha20poly1305(hex(KEY), nonce, hex(AAD)).encrypt(hex(SUNSCREEN)))).toBe(wanted);
    const cipher = createCipheriv('chacha20-poly1305', hex(KEY), nonce, { authTagLength: 16 });
    cipher.setAAD(hex(AAD), { plaintextLength: SUNSCREEN.length / 2 });
    const sealed = Buffer.concat([cipher.update(hex(SUNSCREEN)), cipher.final(), cipher.getAuthTag()]);
    expect(hexOf(sealed)).toBe(wanted);
  });

  it('is used with four zero bytes and the counter, little endian, as nonce', () => {
    const content = fc.uint8Array({ maxLength: 100 });
    fc.assert(
      fc.property(content, content, fc.maxSafeNat(), (plaintext, associated, counter) => {
        const nonce = new Uint8Array(12);
        new DataView(nonce.buffer).setBigUint64(4, BigInt(counter), true);
        const sealed = seal(aeadKey(hex(KEY)), counter, plaintext, associated);
        expect(hexOf(sealed)).toBe(hexOf(chacha20poly1305(hex(KEY), nonce, associated).encrypt(plaintext)));
        expect(open(aeadKey(hex(KEY)), counter, sealed, associated)).toEqual(plaintext);
      }),
    );
  });

  it('opens nothing with one bit changed, another counter, another key or other associated bytes', () => {
    const [key, associated] = [aeadKey(hex(KEY)), hex(AAD)];
    const sealed = seal(key, 5, hex('00112233'), associated);
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const changed = Uint8Array.from(sealed);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(open(key, 5, changed, associated)).toBeUndefined();
    }
    expect(open(key, 6, sealed, associated)).toBeUndefined();
    expect(open(key, 5, sealed)).toBeUndefined();
    expect(open(aeadKey(new Uint8Array(32)), 5, sealed, associated)).toBeUndefined();
    expect(open(key, 5, sealed.subarray(0, 15), associated)).toBeUndefined();
  });
});

describe('XChaCha20-Poly1305', () => {
  it('of noble seals as draft-irtf-cfrg-xchacha, appendix A.3.1', () => {
    const nonce = hex('404142434445464748494a4b4c4d4e4f5051525354555657');
    const wanted = `bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39
      ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9
      21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49`.replace(/\s/g, '');
    expect(hexOf(xchacha20poly1305(hex(KEY), nonce, hex(AAD)).encrypt(hex(SUNSCREEN)))).toBe(wanted);
  });
});
