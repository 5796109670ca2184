import { expect, test } from 'vitest';
import { LateCalls } from '../../src/agent/late-calls.ts';
import { LATE_MS } from '../../src/mesh/takeover/insisting.ts';
import { Timers } from '../../src/runtime/timers.ts';
import { ManualClock } from '../support/fake-clock.ts';

function lateCalls() {
  const clock = new ManualClock();
  const dues: number[] = [];
  const late = new LateCalls<string>({ timers: new Timers(clock), onDue: () => dues.push(clock.monotonic()) });
  const handed: (readonly string[])[] = [];
  const take = async (names: readonly string[]) => {
    handed.push(names);
  };
  return { clock, dues, late, handed, take };
}

test('whoever was called is handed over once, when it has had its time', async () => {
  const { clock, dues, late, handed, take } = lateCalls();
  late.take(['ada']);
  await clock.advance(LATE_MS - 1);
  await late.act(take);
  expect([dues, handed]).toEqual([[], []]);
  await clock.advance(1);
  expect(dues).toEqual([LATE_MS]);
  await late.act(take);
  await late.act(take);
  expect(handed).toEqual([['ada']]);
});

test('who becomes late while others are called anew is handed over next', async () => {
  const { clock, late, handed, take } = lateCalls();
  late.take(['ada']);
  await clock.advance(500);
  late.take(['bob']);
  await clock.advance(500);
  await late.act(async (names) => {
    await clock.advance(500);
    await take(names);
  });
  await late.act(take);
  expect(handed).toEqual([['ada'], ['bob']]);
});

test('who could not be called anew is handed over again', async () => {
  const { clock, late, handed, take } = lateCalls();
  late.take(['ada']);
  await clock.advance(LATE_MS);
  await expect(late.act(() => Promise.reject(new Error('no link')))).rejects.toThrow('no link');
  await late.act(take);
  expect(handed).toEqual([['ada']]);
});
