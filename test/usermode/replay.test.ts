import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { accept, EMPTY_WINDOW, type ReplayWindow, WINDOW_SIZE } from '../../src/usermode/replay.ts';

/** A window that remembers, as the kernel's tests speak of it. */
function counter() {
  let window: ReplayWindow = EMPTY_WINDOW;
  return (value: number): boolean => {
    const next = accept(window, value);
    window = next ?? window;
    return next !== undefined;
  };
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const LIMIT = WINDOW_SIZE + 1;

/** The sequences of the kernel's own test of its counter (drivers/net/wireguard/selftest/counter.c). */
describe('the replay window', () => {
  it('is at least 2,000 packets wide', () => {
    expect(WINDOW_SIZE).toBeGreaterThanOrEqual(2_000);
  });

  it("judges the kernel's first sequence as the kernel does", () => {
    const test = counter();
    const sequence: readonly (readonly [value: number, wanted: boolean])[] = [
      [0, true],
      [1, true],
      [1, false],
      [9, true],
      [8, true],
      [7, true],
      [7, false],
      [LIMIT, true],
      [LIMIT - 1, true],
      [LIMIT - 1, false],
      [LIMIT - 2, true],
      [2, true],
      [2, false],
      [LIMIT + 16, true],
      [3, false],
      [LIMIT + 16, false],
      [LIMIT * 4, true],
      [LIMIT * 4 - (LIMIT - 1), true],
      [10, false],
      [LIMIT * 4 - LIMIT, false],
      [LIMIT * 4 - (LIMIT + 1), false],
      [LIMIT * 4 - (LIMIT - 2), true],
      [LIMIT * 4 + 1 - LIMIT, false],
      [0, false],
      [2 ** 50, true],
      [2 ** 50, false],
      [2 ** 50 - 1, true],
      [2 ** 50 - 2, true],
      [0, false],
    ];
    for (const [value, wanted] of sequence) expect([value, test(value)]).toEqual([value, wanted]);
  });

  it.each([
    ['upwards, then 0 twice', range(1, WINDOW_SIZE), [0, true, 0, false]],
    ['upwards from 2, then 1 and 0', range(2, WINDOW_SIZE + 1), [1, true, 0, false]],
    ['downwards to 0', range(0, WINDOW_SIZE).reverse(), []],
    ['downwards to 1, then 0', range(1, WINDOW_SIZE + 1).reverse(), [0, false]],
    ['downwards, then beyond, then 0', range(1, WINDOW_SIZE).reverse(), [WINDOW_SIZE + 1, true, 0, false]],
    ['downwards, then 0, then beyond', range(1, WINDOW_SIZE).reverse(), [0, true, WINDOW_SIZE + 1, true]],
  ] as const)('takes a window full %s', (_name, values, then) => {
    const test = counter();
    for (const value of values) expect(test(value)).toBe(true);
    for (let index = 0; index < then.length; index += 2) expect(test(then[index] as number)).toBe(then[index + 1]);
  });

  it('accepts each counter at most once, and each one at once that is not behind the window', () => {
    const values = fc.array(fc.nat({ max: 3 * WINDOW_SIZE }), { maxLength: 300 });
    fc.assert(
      fc.property(values, (sequence) => {
        const test = counter();
        const seen = new Set<number>();
        let highest = -1;
        for (const value of sequence) {
          const isFresh = !seen.has(value) && value + WINDOW_SIZE >= highest;
          expect(test(value)).toBe(isFresh);
          if (isFresh) seen.add(value);
          highest = Math.max(highest, isFresh ? value : highest);
        }
      }),
    );
  });

  it('leaves the window it was given as it was', () => {
    const first = accept(EMPTY_WINDOW, 5) ?? EMPTY_WINDOW;
    expect(accept(first, 6)).toBeDefined();
    expect(accept(first, 6)).toBeDefined();
    expect(EMPTY_WINDOW.ring.every((word) => word === 0)).toBe(true);
  });
});
