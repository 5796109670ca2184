import { describe, expect, test } from 'vitest';
import { outage } from '../bench/laptop/outage.ts';
import { quantile, row } from '../bench/row.ts';

/** An answer each 20 ms. */
const steadily = (from: number, to: number) =>
  Array.from({ length: Math.floor((to - from) / 20) + 1 }, (_, index) => from + 20 * index);

describe('an outage', () => {
  test('lasts from the last answer before it to the first one after it', () => {
    expect(outage([...steadily(0, 1000), ...steadily(1740, 4000)], 990, 4010)).toEqual({ ms: 740, overAt: 1740 });
  });

  test('that came a while after its cause counts from its own beginning', () => {
    expect(outage([...steadily(0, 1200), ...steadily(2000, 4000)], 990, 4010)).toEqual({ ms: 800, overAt: 2000 });
  });

  test('is not over with the first answer where answers stay away again', () => {
    const answers = [...steadily(0, 1000), 2000, ...steadily(3000, 5000)];
    expect(outage(answers, 990, 5010)).toEqual({ ms: 2000, overAt: 3000 });
  });

  test('goes on while nobody answers', () => {
    expect(outage(steadily(0, 1000), 1000, 31_000)).toEqual({ ms: 30_000, overAt: undefined });
  });

  test('that nobody noticed is the longest pause', () => {
    expect(outage([...steadily(0, 1000), ...steadily(1090, 4000)], 990, 4010)).toMatchObject({ ms: 90 });
  });

  test('before which all was quiet for long is not longer for it', () => {
    expect(outage([0, ...steadily(5000, 6000), ...steadily(6700, 9000)], 5990, 9010).ms).toBe(700);
  });
});

test('a share of numbers is one of them, by the nearest rank', () => {
  const numbers = [5, 1, 4, 2, 3];
  expect([0, 0.5, 0.9, 1].map((share) => quantile(numbers, share))).toEqual([1, 3, 5, 5]);
  expect(() => quantile([], 0.5)).toThrow('nothing was measured');
});

test('a row tells its ratio to its floor where there is one', () => {
  const parts = { name: 'a', unit: 's', n: 1, says: '' };
  expect(row({ ...parts, value: 3, floor: 2 })).toMatchObject({ ratio: 1.5 });
  expect(row({ ...parts, value: 3, floor: 0 })).not.toHaveProperty('ratio');
  expect(row({ ...parts, floor: 2 })).not.toHaveProperty('ratio');
});
