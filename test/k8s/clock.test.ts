import { describe, expect, test } from 'vitest';
import { delay } from '../../src/k8s/clock.ts';
import { ManualClock } from '../support/fake-clock.ts';

describe('a delay', () => {
  test('ends after its time', async () => {
    const clock = new ManualClock();
    let ended = false;
    void delay(clock, 100, new AbortController().signal).then(() => {
      ended = true;
    });
    await clock.advance(99);
    expect(ended).toBe(false);
    await clock.advance(1);
    expect(ended).toBe(true);
  });

  test('ends with its signal, before it began or while it waits, and leaves no timer', async () => {
    const clock = new ManualClock();
    await delay(clock, 100, AbortSignal.abort());
    const stop = new AbortController();
    const waiting = delay(clock, 100, stop.signal);
    stop.abort();
    await waiting;
    expect(clock.pending).toBe(0);
  });
});
