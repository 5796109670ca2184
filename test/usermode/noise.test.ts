import { createHash, createHmac } from 'node:crypto';
import { blake2s } from '@noble/hashes/blake2.js';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { curveKeys } from '../../src/net/curve-keys.ts';
import { open, seal } from '../../src/usermode/aead.ts';
import { concat } from '../../src/usermode/bytes.ts';
import { sharedSecret } from '../../src/usermode/curve.ts';
import {
  derivedKeys,
  firstTranscript,
  hash,
  keyedHash,
  mixChain,
  mixHash,
  mixKey,
  mixPresharedKey,
  openField,
  sealField,
  transportKeys,
} from '../../src/usermode/noise.ts';
import { hex, hexOf } from './builders.ts';

const bytes = (options: fc.IntArrayConstraints = {}) => fc.uint8Array(options);

describe('BLAKE2s', () => {
  it('hashes "abc" as RFC 7693, appendix B', () => {
    const wanted = '508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982';
    expect(hexOf(hash(Buffer.from('abc')))).toBe(wanted);
    expect(hexOf(hash(Buffer.from('a'), Buffer.from('bc')))).toBe(wanted);
  });

  it('passes the self-test of RFC 7693, appendix E: keyed and unkeyed, of all lengths', () => {
    const sequence = (length: number, seed: number) => {
      const out = new Uint8Array(length);
      let [a, b] = [Math.imul(0xdead4bad, seed) >>> 0, 1];
      for (let index = 0; index < length; index++) {
        [a, b] = [b, (a + b) >>> 0];
        out[index] = b >>> 24;
      }
      return out;
    };
    const digests = [16, 20, 28, 32].flatMap((dkLen) =>
      [0, 3, 64, 65, 255, 1024].flatMap((length) => {
        const input = sequence(length, length);
        return [blake2s(input, { dkLen }), blake2s(input, { dkLen, key: sequence(dkLen, dkLen) })];
      }),
    );
    expect(hexOf(hash(...digests))).toBe('6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe');
  });

  it('agrees with OpenSSL, and its keyed form is another function', () => {
    fc.assert(
      fc.property(bytes({ maxLength: 200 }), (input) => {
        expect(hexOf(hash(input))).toBe(createHash('blake2s256').update(input).digest('hex'));
        expect(keyedHash(new Uint8Array(32), input)).toHaveLength(16);
        expect(hexOf(keyedHash(new Uint8Array(32), input))).not.toBe(hexOf(hash(input).subarray(0, 16)));
      }),
    );
  });
});

describe('key derivation', () => {
  /** From the test of wireguard-go's KDF functions. */
  it.each([
    [
      '746573742d6b6579',
      '746573742d696e707574',
      '6f0e5ad38daba1bea8a0d213688736f19763239305e0f58aba697f9ffc41c633',
      'df1194df20802a4fe594cde27e92991c8cae66c366e8106aaa937a55fa371e8a',
      'fac6e2745a325f5dc5d11a5b165aad08b0ada28e7b4e666b7c077934a4d76c24',
    ],
    [
      '776972656775617264',
      '776972656775617264',
      '491d43bbfdaa8750aaf535e334ecbfe5129967cd64635101c566d4caefda96e8',
      '1e71a379baefd8a79aa4662212fcafe19a23e2b609a3db7d6bcba8f560e3d25f',
      '31e1ae48bddfbe5de38f295e5452b1909a1b4e38e183926af3780b0c1e1f0160',
    ],
    [
      '',
      '',
      '8387b46bf43eccfcf349552a095d8315c4055beb90208fb1be23b894bc2ed5d0',
      '58a0e5f6faefccf4807bff1f05fa8a9217945762040bcec2f4b4a62bdfe0e86e',
      '0ce6ea98ec548f8e281e93e32db65621c45eb18dc6f0a7ad94178610a2f7338e',
    ],
  ])("of key %s and input %s is wireguard-go's", (key, input, ...wanted) => {
    for (const count of [1, 2, 3] as const)
      expect(derivedKeys(hex(key), hex(input), count).map(hexOf)).toEqual(wanted.slice(0, count));
  });

  it('extracts with HMAC-BLAKE2s as OpenSSL computes it', () => {
    fc.assert(
      fc.property(bytes({ maxLength: 64 }), bytes({ maxLength: 64 }), (key, input) => {
        const extracted = createHmac('blake2s256', key).update(input).digest();
        const first = createHmac('blake2s256', extracted).update(Uint8Array.of(1)).digest('hex');
        expect(derivedKeys(key, input, 1).map(hexOf)).toEqual([first]);
      }),
    );
  });
});

describe('the first transcript', () => {
  it('begins with the constants of every WireGuard implementation', () => {
    const chain = '60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36';
    const named = '2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3';
    const responder = new Uint8Array(32).fill(7);
    expect(hexOf(firstTranscript(responder).chain)).toBe(chain);
    expect(hexOf(firstTranscript(responder).hash)).toBe(hexOf(hash(hex(named), responder)));
  });
});

describe('Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s', () => {
  it('reproduces the cacophony vector, message by message', () => {
    const text = (name: string) => hex(VECTOR[name as keyof typeof VECTOR] as string);
    const secret = (own: string, other: string) =>
      sharedSecret(curveKeys(text(own)), curveKeys(text(other)).publicKey) ?? new Uint8Array();
    const [initiator, ephemeral] = [curveKeys(text('initStatic')), curveKeys(text('initEphemeral'))];
    const [responder, answering] = [curveKeys(text('respStatic')), curveKeys(text('respEphemeral'))];
    const [first, second, third, fourth] = VECTOR.messages.map(([payload, sealed]) => ({
      payload: hex(payload),
      sealed,
    }));

    const begun = mixHash(
      mixChain(firstTranscript(responder.publicKey, text('prologue')), ephemeral.publicKey),
      ephemeral.publicKey,
    );
    const es = mixKey(begun, secret('initEphemeral', 'respStatic'));
    const named = sealField(es.transcript, es.key, initiator.publicKey);
    const ss = mixKey(named.transcript, secret('initStatic', 'respStatic'));
    const sent = sealField(ss.transcript, ss.key, first?.payload ?? new Uint8Array());
    expect(hexOf(concat(ephemeral.publicKey, named.sealed, sent.sealed))).toBe(first?.sealed);

    const back = mixHash(mixChain(sent.transcript, answering.publicKey), answering.publicKey);
    const ee = mixChain(back, secret('respEphemeral', 'initEphemeral'));
    const psk = mixPresharedKey(mixChain(ee, secret('respEphemeral', 'initStatic')), text('psk'));
    const answered = sealField(psk.transcript, psk.key, second?.payload ?? new Uint8Array());
    expect(hexOf(concat(answering.publicKey, answered.sealed))).toBe(second?.sealed);

    const keys = transportKeys(answered.transcript);
    expect(hexOf(seal(keys.initiator, 0, third?.payload ?? new Uint8Array()))).toBe(third?.sealed);
    expect(hexOf(seal(keys.responder, 0, fourth?.payload ?? new Uint8Array()))).toBe(fourth?.sealed);
    expect(hexOf(open(keys.initiator, 0, hex(third?.sealed ?? '')) ?? new Uint8Array())).toBe(
      hexOf(third?.payload ?? new Uint8Array()),
    );
  });

  it('opens a field only with the transcript it was sealed with', () => {
    const transcript = firstTranscript(new Uint8Array(32));
    const { key } = mixKey(transcript, new Uint8Array(32));
    const { sealed } = sealField(transcript, key, hex('0102'));
    expect(openField(transcript, key, sealed)?.field).toEqual(hex('0102'));
    expect(openField(mixHash(transcript, hex('00')), key, sealed)).toBeUndefined();
    expect(openField(transcript, key, hex(''))).toBeUndefined();
  });
});

/** From the test vectors of cacophony, the Haskell implementation of Noise. */
const VECTOR = {
  prologue: '4a6f686e2047616c74',
  psk: '54686973206973206d7920417573747269616e20706572737065637469766521',
  initStatic: 'e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1',
  initEphemeral: '893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a',
  respStatic: '4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893',
  respEphemeral: 'bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b',
  messages: [
    [
      '4c756477696720766f6e204d69736573',
      'ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944001e21de9f98ddd8e2ad57527207feb56253c9c94a9e496782ecfcb2a75fbcaf1b52948cc48daefe660c62119ab5000980c84831215f2441eba616548e832985464cf17e51ee93109008399a21f7e13f',
    ],
    [
      '4d757272617920526f746862617264',
      '95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843cb765f2caef0751b8f007572dab0322217755c0632f365717edbf34d33e87a',
    ],
    ['462e20412e20486179656b', '8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7'],
    ['4361726c204d656e676572', '07af0c9c86e1b4e80f36b04ff7688d51141af3debd0332f0a705ef'],
  ],
} as const;
