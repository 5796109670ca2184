import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs, RECONNECT, RETRY } from '../../src/k8s/backoff.ts';

describe('back-off', () => {
  test('doubles from the first wait to the cap', () => {
    const waits = Array.from({ length: 10 }, (_, i) => backoffMs(RECONNECT, i + 1, 0));
    expect(waits).toEqual([200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  });

  test('never exceeds the cap and its jitter, however many failures', () => {
    fc.assert(
      fc.property(fc.nat(), fc.double({ min: 0, max: 0.999, noNaN: true }), (failures, random) => {
        for (const backoff of [RECONNECT, RETRY]) {
          const ms = backoffMs(backoff, failures, random);
          expect(ms).toBeGreaterThanOrEqual(backoff.firstMs);
          expect(ms).toBeLessThanOrEqual(backoff.capMs * (1 + backoff.jitter));
        }
      }),
    );
  });
});
