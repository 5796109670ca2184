import { expect, test } from 'vitest';
import { ago, parseDuration } from '../../src/net/duration.ts';

test.each([
  ['90s', 90_000],
  ['45m', 2_700_000],
  ['8h', 28_800_000],
  ['30d', 2_592_000_000],
])('%s are %d milliseconds', (text, ms) => {
  expect(parseDuration(text)).toEqual({ ok: true, value: ms });
});

test.each(['', '8', 'h', '0h', '-1h', '1.5h', '8 h', '8hours', '08h', '1w', '9999999s'])('%j is none', (text) => {
  expect(parseDuration(text).ok).toBe(false);
});

test('a time is told in the unit that people would take', () => {
  const second = 1000;
  expect([-5, 0, 42, 119, 120, 7199, 7200, 172_799, 172_800].map((s) => ago(s * second))).toEqual([
    '0 s',
    '0 s',
    '42 s',
    '119 s',
    '2 min',
    '120 min',
    '2 h',
    '48 h',
    '2 d',
  ]);
});
