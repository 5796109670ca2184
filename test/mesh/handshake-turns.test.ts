import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ObjectKey } from '../../src/api/resource.ts';
import { HANDSHAKES_PER_SECOND, handshakeTurn, SHORTEST_TURN_MS, turnMs } from '../../src/mesh/handshake-turns.ts';
import { NOW } from '../support/builders.ts';

const someKey = fc.string().map((name) => `team-a/${name}` as ObjectKey);
const someTime = fc.integer({ min: 0, max: 4_000_000_000_000 });
const someCount = fc.nat(100_000);

test.each([
  [0, 5],
  [600, 5],
  [601, 10],
  [9_600, 80],
  [10_000, 160],
])('with %i devices connected, each has its turn every %i minutes', (connected, minutes) => {
  expect(turnMs(connected)).toBe(minutes * 60_000);
});

test('a turn is the last one before now, or now, and the next one is as far away as all others', () => {
  fc.assert(
    fc.property(someKey, someCount, someTime, (key, connected, now) => {
      const { at, next } = handshakeTurn(key, connected, now);
      expect(next - at).toBe(turnMs(connected));
      expect(at).toBeLessThanOrEqual(now);
      expect(next).toBeGreaterThan(now);
      expect(handshakeTurn(key, connected, next)).toEqual({ at: next, next: next + turnMs(connected) });
    }),
  );
});

test('what is a turn with more devices is one with fewer, so that nobody has one because others come', () => {
  fc.assert(
    fc.property(someKey, someCount, someCount, someTime, (key, one, other, now) => {
      const { at } = handshakeTurn(key, Math.max(one, other), now);
      expect(handshakeTurn(key, Math.min(one, other), at).at).toBe(at);
    }),
  );
});

test('the turns of ten thousand devices are spread, and no more than the budget', () => {
  const minutes = Math.round(turnMs(10_000) / 60_000);
  const turns = new Array<number>(minutes).fill(0);
  for (let index = 0; index < 10_000; index += 1) {
    const { next } = handshakeTurn(`team-a/laptop-${index}` as ObjectKey, 10_000, NOW);
    const minute = Math.floor((next - NOW) / 60_000) % minutes;
    turns[minute] = (turns[minute] ?? 0) + 1;
  }
  expect(Math.max(...turns)).toBeLessThanOrEqual(HANDSHAKES_PER_SECOND * 60);
  expect(Math.min(...turns)).toBeGreaterThan(0);
  expect(SHORTEST_TURN_MS).toBe(300_000);
});
