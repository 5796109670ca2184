import { expect, test } from 'vitest';
import { Timers } from '../../src/runtime/timers.ts';
import { ManualClock } from '../support/fake-clock.ts';

test('each calls back once, unless it was cancelled', async () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  const called: string[] = [];
  timers.later(20, () => called.push('second'));
  timers.later(10, () => called.push('first'));
  timers.later(30, () => called.push('never'))();
  await clock.advance(100);
  expect(called).toEqual(['first', 'second']);
});

test('those that wait end together, and none begins after that', async () => {
  const clock = new ManualClock();
  const timers = new Timers(clock);
  const called: string[] = [];
  timers.later(10, () => called.push('before'));
  timers.end();
  timers.later(10, () => called.push('after'))();
  expect(clock.pending).toBe(0);
  await clock.advance(100);
  expect(called).toEqual([]);
});
