import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Condition,
  conditionsFrom,
  findCondition,
  isTrue,
  REASONS,
  type Verdict,
  verdict,
} from '../../src/api/conditions.ts';
import { REASON_TEXTS } from '../../src/api/reasons.ts';

type PeerVerdict = Verdict<'MeshPeer'>;

const statuses = fc.constantFrom('True', 'False', 'Unknown');
const verdicts: fc.Arbitrary<readonly PeerVerdict[]> = fc
  .tuple(statuses, statuses, fc.string(), fc.string())
  .map(([accepted, connected, reason, message]) => [
    { type: 'Accepted', status: accepted, reason, message },
    { type: 'Connected', status: connected, reason, message },
  ]);

function at(second: number): string {
  return `2026-01-01T00:00:${String(second).padStart(2, '0')}Z`;
}

describe('conditionsFrom', () => {
  test('the time moves if and only if the status flips, along any history', () => {
    fc.assert(
      fc.property(fc.array(verdicts, { minLength: 1, maxLength: 20 }), (history) => {
        let stored: readonly Condition[] = [];
        for (const [second, step] of history.entries()) {
          const next = conditionsFrom(step, stored, second, at(second));
          for (const { type, status } of step) {
            const old = findCondition(stored, type);
            const flipped = old?.status !== status;
            expect(findCondition(next, type)?.lastTransitionTime).toBe(flipped ? at(second) : old?.lastTransitionTime);
          }
          stored = next;
        }
      }),
    );
  });

  test('everything but the time is the verdict’s, in its order, about this generation', () => {
    fc.assert(
      fc.property(verdicts, verdicts, (before, now) => {
        const stored = conditionsFrom(before, [], 1, at(1));
        const next = conditionsFrom(now, stored, 2, at(2));
        expect(next.map(({ lastTransitionTime: _time, ...rest }) => rest)).toEqual(
          now.map((entry) => ({ ...entry, observedGeneration: 2 })),
        );
      }),
    );
  });

  test('the same verdicts about the same generation change nothing at a later time', () => {
    fc.assert(
      fc.property(verdicts, (entries) => {
        const stored = conditionsFrom(entries, [], 3, at(3));
        expect(conditionsFrom(entries, stored, 3, at(9))).toEqual(stored);
      }),
    );
  });

  test('a condition that no verdict speaks of goes', () => {
    const stored = conditionsFrom([verdict('MeshPeer', 'Connected', 'True', 'Connected', '')], [], 1, at(1));
    expect(conditionsFrom([], stored, 1, at(2))).toEqual([]);
  });
});

test('findCondition and isTrue', () => {
  const stored = conditionsFrom(
    [
      verdict('MeshPeer', 'Accepted', 'True', 'Accepted', 'yes'),
      verdict('MeshPeer', 'Connected', 'Unknown', 'NeverConnected', 'not yet'),
    ],
    [],
    1,
    at(1),
  );
  expect(findCondition(stored, 'Connected')?.message).toBe('not yet');
  expect(findCondition(stored, 'Ready')).toBeUndefined();
  expect(['Accepted', 'Connected', 'Ready'].map((type) => isTrue(stored, type))).toEqual([true, false, false]);
});

describe('reasons', () => {
  const all = Object.entries(REASONS).flatMap(([kind, types]) =>
    Object.entries(types).map(([type, reasons]) => ({ kind, type, reasons: reasons as readonly string[] })),
  );

  test.each(all)('$kind $type: words of CamelCase, none twice', ({ type, reasons }) => {
    for (const word of [type, ...reasons]) expect(word).toMatch(/^[A-Z][A-Za-z]+$/);
    expect(new Set(reasons).size).toBe(reasons.length);
  });

  test.each(all)('$kind $type: a question, and a sentence for each reason', ({ kind, type }) => {
    const texts = (
      REASON_TEXTS as Readonly<
        Record<string, Readonly<Record<string, { readonly question: string; readonly reasons: object }>>>
      >
    )[kind]?.[type];
    expect(texts?.question).toMatch(/^[A-Z].*\?$/);
    for (const sentence of Object.values(texts?.reasons ?? {})) expect(sentence).toMatch(/^[A-Zs].*\.$/);
  });
});
