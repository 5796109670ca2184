import fc from 'fast-check';
import { expect, test } from 'vitest';
import { neighboursOf } from '../../../src/mesh/takeover/neighbours.ts';
import { rendezvous } from '../../../src/net/rendezvous.ts';

const named = (count: number) => Array.from({ length: count }, (_, index) => `node-${index}`);

test('of few nodes each asks every other one', () => {
  expect(neighboursOf('node-1', named(5))).toEqual(['node-0', 'node-2', 'node-3', 'node-4']);
  expect(neighboursOf('node-1', named(2))).toEqual(['node-0']);
  expect(neighboursOf('node-0', [])).toEqual([]);
});

test('of a hundred nodes each asks four, who ask it too', () => {
  const nodes = named(100);
  const asked = new Map(nodes.map((node) => [node, neighboursOf(node, nodes)]));
  for (const [node, others] of asked) {
    expect(others).toHaveLength(4);
    for (const other of others) expect(asked.get(other)).toContain(node);
  }
});

test('everybody finds the same taker whatever the order of the candidates, and one that goes leaves the others what they had', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 2, maxLength: 9 }),
      fc.string(),
      (nodes, thing) => {
        const taker = rendezvous(thing, nodes);
        expect(rendezvous(thing, [...nodes].reverse())).toBe(taker);
        const gone = nodes.find((node) => node !== taker);
        expect(
          rendezvous(
            thing,
            nodes.filter((node) => node !== gone),
          ),
        ).toBe(taker);
      },
    ),
  );
});

test('devices are spread over the candidates', () => {
  const takers = named(1_000).map((device) => rendezvous(`team-a/${device}`, named(4)));
  for (const node of named(4)) expect(takers.filter((taker) => taker === node).length).toBeGreaterThan(150);
});
