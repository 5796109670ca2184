import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EMPTY_NAT, inbound, outbound, rebound } from './nat.ts';
import { type Conditions, Path, PERFECT } from './path.ts';

const PACKETS = 8_000;
const packet = (number: number) => Uint8Array.from([number >> 8, number & 0xff, 7, 7]);

/** What comes of packets that are sent a millisecond apart, in the order of their arrival. */
function arrivals(seed: number, conditions: Partial<Conditions>, count = PACKETS) {
  const path = new Path(seed);
  return Array.from({ length: count }, (_, sentAt) =>
    path.cross(packet(sentAt), sentAt, { ...PERFECT, ...conditions }).map((delivery) => ({ ...delivery, sentAt })),
  )
    .flat()
    .sort((one, other) => one.at - other.at);
}

describe('a path', () => {
  test('that is perfect delivers everything at once', () => {
    const all = arrivals(1, {});
    expect(all).toHaveLength(PACKETS);
    expect(all.every(({ at, sentAt }) => at === sentAt)).toBe(true);
  });

  test('treats the same packets alike for the same seed, and otherwise for another', () => {
    const bad: Partial<Conditions> = { loss: 0.1, jitterMs: 30, duplicated: 0.1, corrupted: 0.1, reordered: 0.1 };
    expect(arrivals(5, bad, 500)).toEqual(arrivals(5, bad, 500));
    expect(arrivals(6, bad, 500)).not.toEqual(arrivals(5, bad, 500));
  });

  test.each([0, 0.05, 0.3, 1])('loses its share of %s', (loss) => {
    const lost = (PACKETS - arrivals(2, { loss }).length) / PACKETS;
    expect(Math.abs(lost - loss)).toBeLessThan(0.01);
  });

  test('delivers each packet within delay and jitter, and overtakes only with jitter', () => {
    const took = arrivals(3, { delayMs: 100, jitterMs: 20 }).map(({ at, sentAt }) => at - sentAt);
    expect(Math.min(...took)).toBeGreaterThanOrEqual(100);
    expect(Math.max(...took)).toBeLessThan(120);
    const inOrder = (conditions: Partial<Conditions>) => {
      const sent = arrivals(3, conditions).map(({ sentAt }) => sentAt);
      return sent.every((moment, index) => index === 0 || moment >= (sent[index - 1] ?? 0));
    };
    expect(inOrder({ delayMs: 100 })).toBe(true);
    expect(inOrder({ delayMs: 100, jitterMs: 20 })).toBe(false);
    expect(inOrder({ reordered: 0.1 })).toBe(false);
  });

  test("duplicates and corrupts its share, a bit at a time, and never the sender's own bytes", () => {
    const doubled = arrivals(4, { duplicated: 0.2 });
    expect(Math.abs(doubled.length / PACKETS - 1.2)).toBeLessThan(0.01);
    const original = packet(1);
    const differences = arrivals(4, { corrupted: 0.2 }).map(({ packet: arrived, sentAt }) =>
      bits(arrived, packet(sentAt)),
    );
    expect(new Set(differences)).toEqual(new Set([0, 1]));
    new Path(4).cross(original, 0, { ...PERFECT, corrupted: 1 });
    expect(original).toEqual(packet(1));
  });

  test('with little bandwidth delays what waits, and drops what its queue cannot hold', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 10_000 }),
        fc.integer({ min: 8, max: 400 }),
        (bytesPerSecond, queueBytes) => {
          const all = arrivals(7, { bytesPerSecond, queueBytes }, 2_000);
          const last = all.at(-1);
          const seconds = ((last?.at ?? 0) - (all[0]?.at ?? 0)) / 1000;
          expect((all.length - 1) * 4).toBeLessThanOrEqual(Math.ceil(seconds * bytesPerSecond) + 4);
          for (const { at, sentAt } of all)
            expect(at - sentAt).toBeLessThanOrEqual((queueBytes / bytesPerSecond) * 1000 + 1e-6);
        },
      ),
      { numRuns: 30 },
    );
  });

  test('that is a black hole delivers nothing', () => {
    expect(arrivals(8, { blackHole: true }, 100)).toEqual([]);
  });
});

describe('a translator', () => {
  test('keeps a sender on its port, and gives another sender another', () => {
    const first = outbound(EMPTY_NAT, 'a', 0, {});
    const again = outbound(first.table, 'a', 1_000_000, {});
    const other = outbound(again.table, 'b', 1_000_000, {});
    expect(again.id).toBe(first.id);
    expect(other.id).not.toBe(first.id);
    expect(inbound(other.table, first.id, 0, {}).inside).toBe('a');
    expect(inbound(other.table, other.id, 0, {}).inside).toBe('b');
  });

  test('forgets who was silent for long, and traffic in either direction keeps the mapping', () => {
    const rules = { idleMs: 30_000 };
    const begun = outbound(EMPTY_NAT, 'a', 0, rules);
    const answered = inbound(begun.table, begun.id, 29_999, rules);
    expect(answered.inside).toBe('a');
    expect(outbound(answered.table, 'a', 59_998, rules).id).toBe(begun.id);
    expect(inbound(answered.table, begun.id, 59_999, rules).inside).toBeUndefined();
    expect(outbound(answered.table, 'a', 59_999, rules).id).not.toBe(begun.id);
  });

  test('that restarts gives other ports, and answers to the former ones are lost', () => {
    const begun = outbound(EMPTY_NAT, 'a', 0, {});
    const restarted = rebound(begun.table);
    expect(inbound(restarted, begun.id, 1, {}).inside).toBeUndefined();
    expect(outbound(restarted, 'a', 1, {}).id).not.toBe(begun.id);
  });
});

function bits(one: Uint8Array, other: Uint8Array): number {
  return one.reduce((sum, byte, index) => sum + ((byte ^ (other[index] ?? 0)).toString(2).match(/1/g)?.length ?? 0), 0);
}
