import { describe, expect, test } from 'vitest';
import { randomFrom } from '../support/bad-network/random.ts';
import { mutatedBytes, mutatedText, mutatedValue } from './mutate.ts';
import { FuzzFailure, fuzz } from './run.ts';
import { TARGETS } from './targets.ts';

/** Another seed each day: what a run finds is told with its seed. */
const SEED = Math.floor(Date.now() / 86_400_000);
const BRIEF = { seed: SEED, inputs: 3_000, withinMs: 50 };

describe('a short look at every parser of outside text (npm run fuzz takes longer ones)', () => {
  test.each(TARGETS)('$name', async (target) => {
    const { accepted } = await fuzz(target, BRIEF);
    // Were all of them refused, nothing behind the first check would have been tried.
    expect(accepted).toBeGreaterThan(0);
  });

  test('each has a name of its own', () => {
    expect(new Set(TARGETS.map(({ name }) => name)).size).toBe(TARGETS.length);
  });
});

describe('the fuzzer itself', () => {
  test('finds what a parser must not do, and tells seed and input', async () => {
    const target = {
      name: 'naive',
      next: (random: () => number) => mutatedText('{"a":[1,2,3]}', random),
      accepts: (input: unknown) => JSON.parse(input as string) !== undefined,
    };
    const run = () => fuzz(target, { seed: 1, inputs: 1_000 });
    await expect(run()).rejects.toThrow(FuzzFailure);
    await expect(run()).rejects.toThrow(/naive, seed 1, input \d+: SyntaxError/);
  });

  test('finds an input that takes too long', async () => {
    const slow = () => {
      const began = process.cpuUsage();
      while (process.cpuUsage(began).user < 30_000);
      return true;
    };
    await expect(fuzz(aTarget(slow), { seed: 1, inputs: 1, hangMs: 20 })).rejects.toThrow(/took \d+ ms/);
  });

  test('takes a pause of the machine for no fault of an input', async () => {
    const paused = () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60) === 'timed-out';
    const run = await fuzz(aTarget(paused), { seed: 1, inputs: 1, hangMs: 20 });
    expect(run.accepted).toBe(1);
    expect(run.slowestMs).toBeLessThan(20);
  });

  test('makes the same inputs of the same seed, other ones each time, and leaves the good one alone', () => {
    const value = { a: [1, { b: 'c' }], d: null };
    const makers = [
      (random: () => number) => mutatedValue(value, random),
      (random: () => number) => mutatedText('some text', random),
      (random: () => number) => mutatedBytes(Uint8Array.of(1, 2, 3, 4), random),
    ];
    for (const make of makers) {
      const series = (seed: number) => {
        const random = randomFrom(seed);
        return Array.from({ length: 200 }, () => JSON.stringify(make(random)));
      };
      expect(series(3)).toEqual(series(3));
      expect(new Set(series(3)).size).toBeGreaterThan(60);
    }
    expect(value).toEqual({ a: [1, { b: 'c' }], d: null });
  });
});

function aTarget(accepts: () => boolean) {
  return { name: 'target', next: () => '', accepts };
}
