import { expect, test } from 'vitest';
import { ENDING_MOST_MS, type ReleaseInput, releaseOf, UNWELL_MS } from '../../../src/mesh/takeover/release.ts';

const WELL: ReleaseInput = {
  isLeaving: false,
  drainMs: 60_000,
  leavingSince: undefined,
  unwellSince: undefined,
  endingSince: undefined,
  taker: 'steady',
};

test.each<[string, Partial<ReleaseInput>, number, string]>([
  ['is well', {}, 1e9, 'none'],
  ['is about to go', { isLeaving: true, leavingSince: 0 }, 59_999, 'idle'],
  ['has been about to go for its time', { isLeaving: true, leavingSince: 0 }, 60_000, 'all'],
  ['reaches no Services since a moment ago', { unwellSince: 0 }, UNWELL_MS - 1, 'none'],
  ['has reached no Services for as long as others need to find out', { unwellSince: 0 }, UNWELL_MS, 'all'],
  ['has its data plane end with the program, which ends', { endingSince: 0 }, 59_999, 'idle'],
  ['has its data plane end with the program, which has waited for its time', { endingSince: 0 }, 60_000, 'all'],
  ['may wait for hours, and has its program end', { endingSince: 0, drainMs: 1e9 }, ENDING_MOST_MS, 'all'],
  [
    'was about to go, and has its program end',
    { isLeaving: true, leavingSince: 0, endingSince: 50_000 },
    60_000,
    'all',
  ],
  ['is about to go, as all are', { isLeaving: true, leavingSince: 0, taker: 'none' }, 1e9, 'none'],
  ['reaches no Services, as none does', { unwellSince: 0, taker: 'none' }, 1e9, 'none'],
  ['reaches no Services, and only one of late does', { unwellSince: 0, taker: 'living' }, 1e9, 'none'],
  ['is about to go, and only one of late is left', { isLeaving: true, leavingSince: 0, taker: 'living' }, 1e9, 'all'],
  ['ends alone', { endingSince: 0, taker: 'none' }, 0, 'none'],
])('a node that %s', (_, input, now, lets) => {
  expect(releaseOf({ ...WELL, ...input }, now)).toBe(lets);
});
