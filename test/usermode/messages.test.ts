import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeMessage, type Message, parseMessage } from '../../src/usermode/messages.ts';
import { right } from './builders.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const index = fc.nat({ max: 0xffff_ffff });
const message: fc.Arbitrary<Message> = fc.oneof(
  fc.record({
    kind: fc.constant('initiation' as const),
    sender: index,
    ephemeral: bytes(32),
    sealedStatic: bytes(48),
    sealedTimestamp: bytes(28),
    mac1: bytes(16),
    mac2: bytes(16),
  }),
  fc.record({
    kind: fc.constant('response' as const),
    sender: index,
    receiver: index,
    ephemeral: bytes(32),
    sealedNothing: bytes(16),
    mac1: bytes(16),
    mac2: bytes(16),
  }),
  fc.record({ kind: fc.constant('cookie' as const), receiver: index, nonce: bytes(24), sealedCookie: bytes(32) }),
  fc.record({
    kind: fc.constant('transport' as const),
    receiver: index,
    counter: fc.maxSafeNat(),
    sealed: fc.uint8Array({ minLength: 16, maxLength: 200 }),
  }),
);

describe('a WireGuard message', () => {
  it('is the same after encoding and parsing', () => {
    fc.assert(
      fc.property(message, (value) => {
        expect(right(parseMessage(encodeMessage(value)))).toEqual(value);
      }),
    );
  });

  it('has the lengths of the protocol', () => {
    const lengths = { initiation: 148, response: 92, cookie: 64 };
    fc.assert(
      fc.property(message, (value) => {
        const length = value.kind === 'transport' ? 16 + value.sealed.length : lengths[value.kind];
        expect(encodeMessage(value)).toHaveLength(length);
      }),
    );
  });

  it('is refused when cut, lengthened, or with a reserved byte set', () => {
    fc.assert(
      fc.property(message, fc.nat({ max: 31 }), (value, cut) => {
        const datagram = encodeMessage(value);
        expect(parseMessage(datagram.subarray(0, cut)).ok).toBe(false);
        if (value.kind !== 'transport') expect(parseMessage(Buffer.concat([datagram, Buffer.alloc(1)])).ok).toBe(false);
        datagram[1 + (cut % 3)] = 1;
        expect(parseMessage(datagram).ok).toBe(false);
      }),
    );
  });

  it('is parsed or refused, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.nat({ max: 5 }), fc.uint8Array({ maxLength: 200 }), (type, rest) => {
        const result = parseMessage(Buffer.concat([Buffer.from([type, 0, 0, 0]), rest]));
        expect(result.ok || result.problem.length > 0).toBe(true);
      }),
      { numRuns: 1_000 },
    );
  });

  it('has no counter that a number cannot hold', () => {
    const datagram = encodeMessage({ kind: 'transport', receiver: 1, counter: 0, sealed: new Uint8Array(16) });
    datagram.fill(0xff, 8, 16);
    expect(parseMessage(datagram)).toMatchObject({ ok: false, problem: expect.stringContaining('2^53') });
  });
});
