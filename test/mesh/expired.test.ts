import { describe, expect, test } from 'vitest';
import { deletionDue } from '../../src/mesh/expired.ts';
import { aPeer } from '../support/builders.ts';

const HOUR = 3_600_000;
const EXPIRY = Date.parse('2026-03-01T12:00:00Z');

function peer(expiresAt: string | undefined, creationTimestamp = '2026-01-01T00:00:00Z') {
  const one = aPeer(expiresAt === undefined ? {} : { spec: { expiresAt } });
  return { ...one, metadata: { ...one.metadata, creationTimestamp } };
}

describe('an expired peer is deleted', () => {
  test.each([
    ['its grace time after its expiry', peer('2026-03-01T12:00:00Z'), EXPIRY + HOUR],
    ['in whatever zone that was said', peer('2026-03-01T14:00:00+02:00'), EXPIRY + HOUR],
    ['at the earliest as long after it was made', peer('2020-01-01T00:00:00Z', '2026-03-01T12:00:00Z'), EXPIRY + HOUR],
    ['never, when it does not expire', peer(undefined), Number.POSITIVE_INFINITY],
    ['never, when nobody can read its expiry', peer('tomorrow'), Number.POSITIVE_INFINITY],
  ])('%s', (_when, one, due) => {
    expect(deletionDue(one, HOUR)).toBe(due);
  });

  test('never, when that is wished', () => {
    expect(deletionDue(peer('2020-01-01T00:00:00Z'), Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
  });
});
