import { spawnSync } from 'node:child_process';
import { x25519 } from '@noble/curves/ed25519.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  keyBytes,
  keyText,
  LOW_ORDER_POINTS,
  type PrivateKey,
  parsePrivateKey,
  parsePublicKey,
} from '../../src/net/key.ts';
import { keyPairFrom, publicKeyOf } from '../../src/net/key-pair.ts';
import { value } from './arbitraries.ts';

const seeds = fc.uint8Array({ minLength: 32, maxLength: 32 });
const hasWg = spawnSync('wg', ['--version']).status === 0;
const PUBLIC = 'HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=';

/** Private and public keys of RFC 7748, section 6.1. */
const VECTORS = [
  {
    name: 'Alice',
    secret: '77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a',
    shown: '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
  },
  {
    name: 'Bob',
    secret: '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
    shown: 'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
  },
];

function fromHex(hex: string): string {
  return keyText(Buffer.from(hex, 'hex'));
}

describe('public keys', () => {
  test('a key is taken as it is', () => {
    expect(parsePublicKey(PUBLIC)).toEqual({ ok: true, value: PUBLIC });
  });

  test.each([
    '',
    'secret',
    ` ${PUBLIC}`,
    `${PUBLIC}\n`,
    PUBLIC.slice(1),
    PUBLIC.slice(0, -1),
    `A${PUBLIC}`,
    PUBLIC.replace('w=', 'x='),
    PUBLIC.replace('/', '_').replaceAll('w', '-'),
    PUBLIC.replace('w=', '=='),
    'A'.repeat(5_000_000),
  ])('%.60j is refused', (text) => {
    expect(parsePublicKey(text)).toMatchObject({ ok: false, problem: expect.stringContaining('44 characters') });
  });

  test('the base64 is the one spelling of its bytes', () => {
    fc.assert(
      fc.property(seeds, (bytes) => {
        const text = keyText(bytes);
        expect(parsePublicKey(text).ok).toBe(true);
        expect(keyText(keyBytes(text))).toBe(text);
      }),
    );
  });

  test.each(LOW_ORDER_POINTS)('the low-order point %s is refused, and noble refuses it too', (point) => {
    expect(parsePublicKey(point)).toMatchObject({ ok: false, problem: expect.stringContaining('low-order') });
    const { privateKey } = keyPairFrom(new Uint8Array(32).fill(7));
    expect(() => x25519.getSharedSecret(keyBytes(privateKey), keyBytes(point))).toThrow();
  });

  test('the list holds every encoding of a point of low order', () => {
    const prime = 2n ** 255n - 19n;
    const numbers = new Set(LOW_ORDER_POINTS.map(numberOf));
    const eighth = [...numbers].filter((number) => number > 1n && number < prime - 1n);
    expect(eighth).toHaveLength(2);
    const points = [0n, 1n, prime - 1n, ...eighth];
    // A coordinate may be written unreduced, and the highest bit is ignored (RFC 7748, section 5).
    const unreduced = points.flatMap((point) => [point, point + prime]).filter((number) => number < 2n ** 255n);
    const encodings = unreduced.flatMap((number) => [number, number + 2n ** 255n]).map(textOf);
    expect([...LOW_ORDER_POINTS].sort()).toEqual(encodings.sort());
  });
});

describe('key pairs', () => {
  test.each(VECTORS)('$name of RFC 7748 has the public key that it says', ({ secret, shown }) => {
    expect(publicKeyOf(value(parsePrivateKey(fromHex(secret))))).toBe(fromHex(shown));
    expect(keyPairFrom(Buffer.from(secret, 'hex')).publicKey).toBe(fromHex(shown));
  });

  test('random bytes become a clamped key pair, and are not changed themselves', () => {
    fc.assert(
      fc.property(seeds, (random) => {
        const before = Uint8Array.from(random);
        const { privateKey, publicKey } = keyPairFrom(random);
        const bytes = keyBytes(privateKey);
        expect((bytes[0] ?? 0) & 7).toBe(0);
        expect((bytes[31] ?? 0) >> 6).toBe(1);
        expect(publicKeyOf(privateKey)).toBe(publicKey);
        expect(parsePublicKey(publicKey).ok).toBe(true);
        expect(random).toEqual(before);
      }),
      { numRuns: 20 },
    );
  });

  test.each([0, 31, 33])('%i random bytes are no key', (length) => {
    expect(() => keyPairFrom(new Uint8Array(length))).toThrow(RangeError);
  });

  test('wg pubkey derives the same', ({ skip }) => {
    if (!hasWg) return skip('there is no wg here');
    fc.assert(
      fc.property(seeds, (random) => {
        const privateKey = keyText(random) as PrivateKey;
        const { stdout } = spawnSync('wg', ['pubkey'], { input: `${privateKey}\n`, encoding: 'utf8' });
        expect(publicKeyOf(privateKey)).toBe(stdout.trim());
      }),
      { numRuns: 10 },
    );
  });
});

describe('private keys', () => {
  test('white space around a key in a file does not matter', () => {
    expect(parsePrivateKey(`\n${PUBLIC} \r\n`)).toEqual({ ok: true, value: PUBLIC });
  });

  test.each(['', 'c2VjcmV0', PUBLIC.replace('w=', 'x='), `${PUBLIC}${PUBLIC}`])(
    '%j is refused without being quoted',
    (text) => {
      const result = parsePrivateKey(text);
      expect(result.ok).toBe(false);
      if (!result.ok && text !== '') expect(result.problem).not.toContain(text);
    },
  );

  test('all zeros are refused', () => {
    expect(parsePrivateKey(keyText(new Uint8Array(32)))).toMatchObject({ problem: expect.stringContaining('zeros') });
  });
});

/** The little-endian number of a key without its highest bit. */
function numberOf(key: string): bigint {
  const number = BigInt(`0x${Buffer.from(keyBytes(key).toReversed()).toString('hex')}`);
  return number % 2n ** 255n;
}

function textOf(number: bigint): string {
  return keyText(Buffer.from(number.toString(16).padStart(64, '0'), 'hex').toReversed());
}
