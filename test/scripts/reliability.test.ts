import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { inProject } from '../../scripts/support/paths.ts';
import { FAULTS } from '../faults/faults.ts';
import {
  broken,
  calledAway,
  interrupted,
  letGo,
  promiseText,
  type Seen,
  seenText,
  unnoticed,
} from '../faults/promise.ts';
import { differences } from '../faults/state.ts';
import { faultsTable, NOT_TRIED, nameOf, promisesIn, seenIn } from '../faults/table.ts';
import { cellsIn } from '../lab/matrix/table.ts';

const document = readFileSync(inProject('docs/reliability.md'), 'utf8');

const SINCE = Date.parse('2026-01-01T10:00:00Z');

function packets(sent: number, lost: number): Seen['packets'] {
  return {
    sent,
    lost,
    since: SINCE,
    gaps: lost === 0 ? [] : [{ from: SINCE + 250, to: SINCE + 1_375, packets: lost }],
  };
}

function seen(over: Partial<Seen> = {}): Seen {
  return {
    packets: packets(12_040, 0),
    requests: { begun: 602, failed: 0 },
    seconds: 4.12,
    streamEnded: undefined,
    lost: [],
    ...over,
  };
}

describe('docs/reliability.md', () => {
  const table = cellsIn(document);

  test('has every fault with its promise, in this order', () => {
    expect(promisesIn(table)).toEqual(promisesIn(faultsTable(FAULTS, new Map())));
  });

  test('says of every fault what was seen, or that nobody has tried it', () => {
    expect([...seenIn(table).keys()]).toEqual(FAULTS.map(nameOf));
    const said = /^\d[\d,]* of \d[\d,]* packets, \d[\d,]* of \d[\d,]* requests(, the open connection)?; \d+\.\d s$/;
    expect([...seenIn(table).values()].filter((text) => text !== NOT_TRIED && !said.test(text))).toEqual([]);
  });

  test.each(['promise', 'as before within', 'WireGuard', 'kernel', 'userspace', 'nightly'])('explains %s', (word) => {
    expect(document).toContain(`**${word}**`);
  });
});

test('no two faults have one name', () => {
  expect(new Set(FAULTS.map(nameOf)).size).toBe(FAULTS.length);
});

describe('a promise', () => {
  test('is kept by what is within all of its bounds', () => {
    expect(broken(unnoticed(5), seen())).toEqual([]);
    const most = { packets: packets(30_000, 20_000), requests: { begun: 1_500, failed: 1_000 }, seconds: 20 };
    expect(broken(interrupted(20), seen(most))).toEqual([]);
    expect(broken(calledAway(2, 5), seen({ streamEnded: 'ECONNRESET' }))).toEqual([]);
    expect(broken(letGo(500, 5), seen({ packets: packets(1_000, 500), streamEnded: 'ECONNRESET' }))).toEqual([]);
  });

  test.each<[string, Partial<Seen>]>([
    [
      '1 packets were lost, and at most 0 were promised: 1 from 0.250 to 1.375 s after 2026-01-01T10:00:00.000Z',
      { packets: packets(10, 1) },
    ],
    ['2 requests failed, and at most 0', { requests: { begun: 10, failed: 2 } }],
    ['after 5.1 s, and 5 s were promised', { seconds: 5.1 }],
    ['the open connection ended: ECONNRESET', { streamEnded: 'ECONNRESET' }],
    ['not as it was: node-1: this → that', { lost: ['node-1: this → that'] }],
    ['no packet was sent', { packets: packets(0, 0) }],
    ['no request was begun', { requests: { begun: 0, failed: 0 } }],
  ])('is broken: %s', (sentence, over) => {
    expect(broken(unnoticed(5), seen(over))).toEqual([expect.stringContaining(sentence)]);
  });

  test('says in words what it is', () => {
    expect(promiseText(unnoticed(30))).toBe('no packet lost, no request failed; as before within 30 s');
    expect(promiseText(interrupted(2, 10))).toBe(
      'at most 2,000 packets lost, 100 requests failed; as before within 10 s',
    );
    expect(promiseText(calledAway(2, 10))).toBe(
      'at most 2,000 packets lost, 100 requests failed, the open connection ended; as before within 10 s',
    );
    expect(promiseText(letGo(500, 60))).toBe(
      'at most 500 packets lost, 5 requests failed, the open connection ended; as before within 60 s',
    );
    expect(promiseText({ ...interrupted(9, 15), requests: 0 })).toBe(
      'at most 9,000 packets lost, no request failed; as before within 15 s',
    );
    expect(promiseText({ ...interrupted(9, 15), packets: 0 })).toBe(
      'no packet lost, at most 450 requests failed; as before within 15 s',
    );
    expect(seenText(seen({ streamEnded: 'ECONNRESET' }))).toBe(
      '0 of 12,040 packets, 0 of 602 requests, the open connection; 4.1 s',
    );
    expect(seenText(seen())).toBe('0 of 12,040 packets, 0 of 602 requests; 4.1 s');
  });
});

describe('a table', () => {
  const faults = [
    { what: 'this', through: 'kernel', promise: unnoticed(1) },
    { what: 'that', through: 'userspace', promise: unnoticed(2), nightly: 'it is slow' },
  ] as const;

  test('gives back what was seen, by the names of the rows', () => {
    const all = new Map([
      ['this, kernel', 'much'],
      ['that, userspace', 'little'],
    ]);
    expect(seenIn(faultsTable(faults, all))).toEqual(all);
    expect(seenIn(faultsTable(faults, new Map())).get('this, kernel')).toBe(NOT_TRIED);
  });

  test('promises the same whatever was seen, and however wide that is', () => {
    const wide = faultsTable(faults, new Map([['this, kernel', 'x'.repeat(200)]]));
    expect(promisesIn(wide)).toEqual(promisesIn(faultsTable(faults, new Map())));
    const [, , one] = promisesIn(faultsTable([faults[1]], new Map()));
    expect(one).toBeUndefined();
    expect(promisesIn(wide)[2]).toBe(
      'that (nightly) | userspace | no packet lost, no request failed; as before within 2 s',
    );
  });
});

describe('two states', () => {
  test('that are the same do not differ', () => {
    expect(differences({ a: 'x' }, { a: 'x' })).toEqual([]);
  });

  test('differ in what is there, and in the part of a text that is another', () => {
    const long = 'a'.repeat(500);
    expect(differences({ gone: 'was', same: 's' }, { came: 'is', same: 's' })).toEqual([
      'came: …not there → …is',
      'gone: …was → …not there',
    ]);
    const [line = ''] = differences({ node: `${long}{route 1}` }, { node: `${long}{route 2}` });
    expect(line).toMatch(/^node: …a{53}\{route 1\} → …a{53}\{route 2\}$/);
  });
});
