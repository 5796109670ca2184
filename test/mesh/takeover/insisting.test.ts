import { expect, test } from 'vitest';
import type { ObjectKey } from '../../../src/api/resource.ts';
import type { DueCall } from '../../../src/mesh/takeover/calls.ts';
import { type CalledAway, EVERY_MS, Insisting, type Pull, RETURNING_MS } from '../../../src/mesh/takeover/insisting.ts';
import type { Endpoint } from '../../../src/net/endpoint.ts';

const call = (name: string): DueCall => ({
  peer: `team-a/${name}` as ObjectKey,
  endpoint: '198.51.100.7:40000' as Endpoint,
  lastHandshake: '2026-11-22T10:00:00Z',
  byOtherKey: false,
});
const always = (): Pull => 'draws';
const names = (insisting: Insisting, now: number, pullOn: (called: CalledAway) => Pull = always) =>
  insisting.take(now, pullOn).map(({ call: { peer } }) => peer.slice('team-a/'.length));

/** When somebody is called again, until nobody is. */
function times(insisting: Insisting): readonly number[] {
  const found: number[] = [];
  for (let { next } = insisting; next !== undefined; next = insisting.next) {
    found.push(next);
    insisting.take(next, always);
  }
  return found;
}

test('who was called is called again, soon and twice after that', () => {
  const insisting = new Insisting();
  insisting.called([call('ada'), call('bob')], 'node-a', 10_000);
  expect(names(insisting, 10_249)).toEqual([]);
  expect(names(insisting, 10_250)).toEqual(['ada', 'bob']);
  expect(times(insisting)).toEqual([11_000, 12_000]);
});

test('who was called is late a second after that, and another second after that', () => {
  const insisting = new Insisting();
  const late = (now: number) => insisting.take(now, always).map(({ isLate }) => isLate);
  insisting.called([call('ada')], 'node-a', 0);
  expect([late(250), late(1_040), late(2_030)]).toEqual([[false], [true], [true]]);
  insisting.called([call('ada')], 'node-a', 5_000);
  expect(late(7_000)).toEqual([true]);
});

test('who was called away from a node that is back has come long ago, and is not late', () => {
  const insisting = new Insisting();
  insisting.called([call('ada')], 'node-a', 0);
  for (const now of [250, 1_000, 2_000]) insisting.take(now, always);
  insisting.returned('node-a', 60_000);
  expect(insisting.take(60_000, always).map(({ isLate }) => isLate)).toEqual([false]);
});

test('who was let go by a node that is dead now is late at once, and again a second after that', () => {
  const insisting = new Insisting();
  insisting.died([call('ada')], 'node-a', 5_000);
  const late = (now: number) => insisting.take(now, always).map(({ isLate }) => isLate);
  expect([late(5_000), late(5_999), late(6_000)]).toEqual([[true], [], [true]]);
  expect(insisting.next).toBeUndefined();
});

test('who is where it wants to be is called no more', () => {
  const insisting = new Insisting();
  insisting.called([call('ada')], 'node-a', 0);
  expect(names(insisting, 1_000, () => 'none')).toEqual([]);
  expect(insisting.next).toBeUndefined();
});

test('who was let go by its former node is called at once, since it may have been drawn back before, and no more', () => {
  const insisting = new Insisting();
  insisting.called([call('ada'), call('bob')], 'node-a', 0);
  insisting.letGo('node-b', [call('bob').peer], 400);
  insisting.letGo('node-a', [call('ada').peer, call('cy').peer], 400);
  const pullOn = ({ call: { peer } }: CalledAway): Pull => (peer === call('ada').peer ? 'let-go' : 'draws');
  expect(insisting.next).toBe(250);
  expect(names(insisting, 400, pullOn)).toEqual(['ada', 'bob']);
  expect(names(insisting, 20_000, pullOn)).toEqual(['bob']);
});

test('who was called often enough is not called when its former node lets it go', () => {
  const insisting = new Insisting();
  insisting.called([call('ada')], 'node-a', 0);
  insisting.take(2_000, always);
  insisting.letGo('node-a', [call('ada').peer], 2_500);
  expect(insisting.next).toBeUndefined();
});

test('who was called away from a node that is back is called for a while, as long as that one may draw it back', () => {
  const insisting = new Insisting();
  insisting.called([call('ada')], 'node-a', 0);
  insisting.called([call('bob')], 'node-b', 0);
  for (const now of [1_000, 2_000]) insisting.take(now, always);
  insisting.returned('node-a', 60_000);
  expect(names(insisting, 60_000)).toEqual(['ada']);
  const rest = times(insisting);
  expect(rest.slice(0, 2)).toEqual([60_250, 60_000 + EVERY_MS]);
  expect(rest.at(-1)).toBe(60_000 + RETURNING_MS - EVERY_MS);
});

test('who was called away from a node that lives is forgotten once it was called often enough, and from a dead one is not', () => {
  const insisting = new Insisting();
  insisting.called([call('ada')], 'node-a', 0);
  insisting.called([call('bob')], 'node-b', 0);
  for (const now of [1_000, 2_000]) insisting.take(now, always);
  insisting.forget((node) => node === 'node-b');
  for (const node of ['node-a', 'node-b']) insisting.returned(node, 3_000);
  expect(names(insisting, 3_000)).toEqual(['bob']);
});

test('who comes by a load balancer is called no more, also when its former node is back', () => {
  const insisting = new Insisting();
  insisting.called([call('ada'), call('bob')], 'node-a', 0);
  insisting.drop([call('ada').peer]);
  expect(names(insisting, 1_000)).toEqual(['bob']);
  insisting.returned('node-a', 5_000);
  expect(names(insisting, 5_000)).toEqual(['bob']);
});
