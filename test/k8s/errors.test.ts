import { describe, expect, test } from 'vitest';
import {
  ApiError,
  failureFromAnswer,
  isAlreadyExists,
  isConflict,
  isForbidden,
  isGone,
  isInvalid,
  isNotFound,
  isTooManyRequests,
  isUnauthorized,
  isUnmergeable,
} from '../../src/k8s/errors.ts';

const ASKED = { method: 'GET', path: '/api/v1/nodes' };

function refused(status: number, reason = '', retryAfter?: string): ApiError {
  const body = JSON.stringify({ kind: 'Status', code: status, reason, message: 'because' });
  return new ApiError(failureFromAnswer(ASKED, { status, body, retryAfter }));
}

describe('what the API server refuses', () => {
  test('reads as one sentence with the request, the status and its own words', () => {
    expect(refused(403, 'Forbidden').message).toBe('GET /api/v1/nodes: 403 Forbidden: because');
  });

  test.each([
    [isUnauthorized, 401, 'Unauthorized'],
    [isForbidden, 403, 'Forbidden'],
    [isNotFound, 404, 'NotFound'],
    [isConflict, 409, 'Conflict'],
    [isAlreadyExists, 409, 'AlreadyExists'],
    [isGone, 410, 'Expired'],
    [isInvalid, 422, 'Invalid'],
    [isInvalid, 400, 'BadRequest'],
    [isTooManyRequests, 429, 'TooManyRequests'],
  ] as const)('%o tells %i %s from all others', (is, status, reason) => {
    const all = [isUnauthorized, isForbidden, isNotFound, isConflict, isAlreadyExists, isGone, isInvalid];
    expect(is(refused(status, reason))).toBe(true);
    expect([...all, isTooManyRequests].filter((other) => other(refused(status, reason)))).toEqual([is]);
    expect(is(new Error('404 409 410'))).toBe(false);
  });

  test('503 asks to come back later only with a Retry-After', () => {
    expect(isTooManyRequests(refused(503, 'ServiceUnavailable', '3'))).toBe(true);
    expect(isTooManyRequests(refused(503, 'ServiceUnavailable'))).toBe(false);
  });

  test('an object that nothing can be merged into is told by the words alone', () => {
    const body = (message: string) => JSON.stringify({ kind: 'Status', code: 500, message });
    const answered = (message: string) => new ApiError(failureFromAnswer(ASKED, { status: 500, body: body(message) }));
    expect(isUnmergeable(answered('failed to create typed live object (a; b, Kind=C): .x: expected list'))).toBe(true);
    expect(isUnmergeable(answered('etcdserver: request timed out'))).toBe(false);
  });

  test.each([
    ['5', 5],
    [' 5 ', 5],
    ['Wed, 21 Oct 2026 07:28:00 GMT', undefined],
    ['-1', undefined],
    ['1e9', undefined],
  ])('Retry-After %o is %o seconds', (text, seconds) => {
    expect(refused(429, '', text).retryAfterSeconds).toBe(seconds);
  });

  test('what a proxy answers in words of its own is cut short and kept', () => {
    const failure = failureFromAnswer(ASKED, { status: 502, body: `<html>${'x'.repeat(9000)}` });
    expect(failure).toMatchObject({ status: 502, reason: '', retryAfterSeconds: undefined });
    expect(failure.message).toHaveLength(500);
  });

  test('a Status that is no Status object does not confuse', () => {
    for (const body of ['null', '[]', '"x"', '{"kind":"Status","code":"7","reason":3,"message":null,"details":[]}']) {
      expect(failureFromAnswer(ASKED, { status: 500, body }).status).toBe(500);
    }
  });
});
