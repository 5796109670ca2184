import { expect, test } from 'vitest';
import { Memory } from '../../src/host/memory.ts';

const MINUTE = () => 60_000;

test('an answer is asked for once while it is young, and again once it is old or forgotten', async () => {
  const asked: number[] = [];
  const ask = async () => asked.push(0);
  const memory = new Memory<number>(MINUTE);
  expect([await memory.recall(ask), await memory.recall(ask)]).toEqual([1, 1]);
  memory.forget();
  expect([await memory.recall(ask), await memory.recall(ask)]).toEqual([2, 2]);
  const short = new Memory<number>(() => 0);
  expect([await short.recall(ask), await short.recall(ask)]).toEqual([3, 4]);
});

test('what was asked before it was forgotten is not kept', async () => {
  const memory = new Memory<string>(MINUTE);
  const { promise, resolve } = Promise.withResolvers<string>();
  const early = memory.recall(() => promise);
  memory.forget();
  resolve('old');
  expect(await early).toBe('old');
  expect(await memory.recall(async () => 'new')).toBe('new');
});
