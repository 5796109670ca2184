import { expect, test } from 'vitest';
import { type Gap, gapsText, withGap } from '../bench/loss/gaps.ts';

const SINCE = Date.parse('2026-01-01T10:00:00Z');

function gapsOf(...sentAfterMs: readonly number[]): readonly Gap[] {
  const lost = sentAfterMs.map((ms) => ({ from: SINCE + ms, to: SINCE + ms, packets: 1 }));
  return lost.reduce<readonly Gap[]>(withGap, []);
}

test('packets lost within a short while are one gap, also with others between them', () => {
  expect(gapsOf(400, 401, 402, 450)).toEqual([{ from: SINCE + 400, to: SINCE + 450, packets: 4 }]);
});

test('a gap that ended a while ago is not gone on with', () => {
  expect(gapsOf(400, 401, 900)).toEqual([
    { from: SINCE + 400, to: SINCE + 401, packets: 2 },
    { from: SINCE + 900, to: SINCE + 900, packets: 1 },
  ]);
});

test('gaps that two lines tell of are one where the second goes on with the first', () => {
  const first = { from: SINCE, to: SINCE + 99, packets: 100 };
  const second = { from: SINCE + 100, to: SINCE + 130, packets: 20 };
  expect(withGap([first], second)).toEqual([{ from: SINCE, to: SINCE + 130, packets: 120 }]);
});

test('are told by how long after a time of the logs they were, and no more of them than somebody reads', () => {
  expect(gapsText(gapsOf(412, 413, 2_000), SINCE)).toBe(
    '2 from 0.412 to 0.413 s, 1 from 2.000 to 2.000 s after 2026-01-01T10:00:00.000Z',
  );
  expect(gapsText(gapsOf(0, 100, 200, 300, 400, 500, 600), SINCE)).toMatch(
    /1 from 0\.400 to 0\.400 s, and in 2 more gaps after/,
  );
});
