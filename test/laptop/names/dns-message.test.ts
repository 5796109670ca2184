import { describe, expect, test } from 'vitest';
import {
  errorAnswer,
  isAnswerTo,
  isTruncated,
  RCODE,
  rcodeOf,
  readQuery,
  withId,
} from '../../../src/laptop/names/dns-message.ts';
import { buildQuery } from '../../../src/usermode/dns.ts';

function aQuery(name: string, id = 7): Uint8Array {
  const query = buildQuery({ id, name, type: 'A' });
  if (!query.ok) throw new Error(query.problem);
  return query.value;
}

function answered(query: Uint8Array, flags = 0): Uint8Array {
  const answer = Uint8Array.from(query);
  answer[2] = (answer[2] ?? 0) | 0x80 | flags;
  return answer;
}

const QUERY = aQuery('Api.team-a.svc.cluster.local');

describe('a query', () => {
  test('its id, labels and type', () => {
    expect(readQuery(QUERY)).toEqual({
      query: { id: 7, labels: ['Api', 'team-a', 'svc', 'cluster', 'local'], type: 1, end: QUERY.length },
    });
  });

  test('for the root', () => {
    const root = Uint8Array.from([0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1]);
    expect(readQuery(root)).toEqual({ query: { id: 1, labels: [], type: 2, end: 17 } });
  });

  test('an answer is none, nor is half a header', () => {
    expect(readQuery(answered(QUERY))).toBeUndefined();
    expect(readQuery(QUERY.subarray(0, 11))).toBeUndefined();
    expect(readQuery(new Uint8Array())).toBeUndefined();
  });

  test.each([
    ['ends inside of its name', QUERY.subarray(0, 20), RCODE.formErr],
    ['ends before its class', QUERY.subarray(0, QUERY.length - 1), RCODE.formErr],
    ['has no question', QUERY.with(5, 0), RCODE.formErr],
    ['has two questions', QUERY.with(5, 2), RCODE.formErr],
    ['has a compressed name', QUERY.with(12, 0xc0), RCODE.formErr],
    ['is an update', QUERY.with(2, 5 << 3), RCODE.notImp],
  ])('one that %s is an error', (_, message, rcode) => {
    expect(readQuery(message)).toEqual({ rcode });
    const error = errorAnswer(message, rcode);
    expect(rcodeOf(error)).toBe(rcode);
    expect(error.subarray(0, 2)).toEqual(QUERY.subarray(0, 2));
  });

  test('a name of more than 255 bytes is an error', () => {
    const label = [63, ...new Array(63).fill(97)];
    const long = Uint8Array.from([
      0,
      1,
      1,
      0,
      0,
      1,
      0,
      0,
      0,
      0,
      0,
      0,
      ...label,
      ...label,
      ...label,
      ...label,
      0,
      0,
      1,
      0,
      1,
    ]);
    expect(readQuery(long)).toEqual({ rcode: RCODE.formErr });
  });
});

describe('an answer', () => {
  test('has the id and the question, in any case of letters', () => {
    expect(isAnswerTo(QUERY, answered(QUERY))).toBe(true);
    expect(isAnswerTo(QUERY, answered(aQuery('aPI.team-a.svc.cluster.local')))).toBe(true);
  });

  test.each([
    ['another id', answered(withId(QUERY, 8))],
    ['another name', answered(aQuery('apj.team-a.svc.cluster.local'))],
    ['another type', answered(QUERY.with(QUERY.length - 3, 28))],
    ['a question', QUERY],
    ['a piece', answered(QUERY).subarray(0, 30)],
    ['nothing', new Uint8Array()],
    ['no question, and yet no error', answered(QUERY).with(5, 0).subarray(0, 12)],
  ])('not: %s', (_, message) => {
    expect(isAnswerTo(QUERY, message)).toBe(false);
  });

  test('an error may leave the question out', () => {
    expect(isAnswerTo(QUERY, answered(QUERY).with(5, 0).with(3, RCODE.formErr).subarray(0, 12))).toBe(true);
  });

  test('says whether it was too long', () => {
    expect([isTruncated(answered(QUERY)), isTruncated(answered(QUERY, 2))]).toEqual([false, true]);
  });

  test('of ours is the answer to its query', () => {
    expect(isAnswerTo(QUERY, errorAnswer(QUERY, RCODE.servFail))).toBe(true);
  });
});
