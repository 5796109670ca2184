import { beforeEach, describe, expect, test } from 'vitest';
import { KeyChanges } from '../../src/agent/key-changes.ts';
import { ManualClock } from '../support/fake-clock.ts';

const MINUTE = 60_000;

describe('peers are looked at closely', () => {
  let clock: ManualClock;
  let table: { latestPair: number };
  let changes: KeyChanges;
  let looks: number;
  let tookMs: number;

  beforeEach(() => {
    clock = new ManualClock();
    table = { latestPair: clock.now() };
    looks = 0;
    tookMs = 5;
    changes = new KeyChanges({
      table,
      clock,
      onLook: () => {
        looks += 1;
        changes.follow(tookMs);
      },
    });
  });

  test('never, while no device changes its key', async () => {
    table.latestPair = Number.NEGATIVE_INFINITY;
    changes.follow();
    await clock.advance(MINUTE);
    expect([looks, clock.pending]).toEqual([0, 0]);
  });

  test('four times a second while one does, for ten minutes, and again after the next one', async () => {
    changes.follow();
    await clock.advance(10_000);
    expect(looks).toBe(40);
    await clock.advance(20 * MINUTE);
    expect(looks).toBe(2_401);
    expect(clock.pending).toBe(0);
    table.latestPair = clock.now();
    changes.follow();
    await clock.advance(1_000);
    expect(looks).toBe(2_405);
  });

  test('no more once that has been ended, though a look ends after it', async () => {
    changes.follow();
    changes.close();
    changes.follow(tookMs);
    await clock.advance(MINUTE);
    expect([looks, clock.pending]).toEqual([0, 0]);
  });

  test('once, however often something else is looked at meanwhile', async () => {
    for (let look = 0; look < 5; look++) changes.follow();
    expect(clock.pending).toBe(1);
  });

  test.each([
    ['one part in ten of the time', 100, 10],
    ['never more rarely than all peers always are', 1_000, 3],
  ])('for at most %s', async (_how, took, expected) => {
    tookMs = took;
    changes.follow(took);
    await clock.advance(10_000);
    expect(looks).toBe(expected);
  });

  test('no longer once the agent has ended', async () => {
    changes.follow();
    changes.close();
    await clock.advance(MINUTE);
    expect(looks).toBe(0);
  });
});
