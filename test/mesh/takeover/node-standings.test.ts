import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Liveness } from '../../../src/api/meshgatewaynode.ts';
import {
  ANSWER_MS,
  ASK_AGAIN_MS,
  NodeStandings,
  RETURNED_MS,
  STARTING_ANSWER_MS,
  STARTING_MS,
} from '../../../src/mesh/takeover/node-standings.ts';

const QUIET: Liveness = { publicKey: 'k', addresses: [], unreachable: [], answered: 0 };
const doubting = (node: string, asked: number): Liveness => ({ ...QUIET, unreachable: [{ node, asked }] });

/** node-a's sight of node-b and node-c, both of which it has seen answer. */
function sight(): NodeStandings {
  const standings = new NodeStandings('node-a');
  for (const node of ['node-b', 'node-c']) {
    standings.take(node, undefined, QUIET, 0);
    standings.heard(node, true, 0);
  }
  return standings;
}

describe('a node that does not answer', () => {
  test('is told, and dead once what was told has come back and no sign of life has come in time', () => {
    const standings = sight();
    standings.heard('node-b', false, 1_000);
    expect(standings.report().unreachable).toEqual([{ node: 'node-b', asked: 1 }]);
    standings.take('node-a', QUIET, doubting('node-b', 1), 1_050);
    standings.tick(1_050 + ANSWER_MS - 1);
    expect([standings.isDead('node-b'), standings.nextTick]).toEqual([false, 1_050 + ANSWER_MS]);
    expect(standings.trustIn('node-b', 1_100)).toBe('none');
    standings.tick(1_050 + ANSWER_MS);
    expect([standings.dead, standings.nextTick]).toEqual([['node-b'], undefined]);
  });

  test('is not dead where what is told does not come back: nobody hears this node, so it kills nobody', () => {
    const standings = sight();
    standings.heard('node-b', false, 1_000);
    standings.tick(60_000);
    expect(standings.dead).toEqual([]);
  });

  test('is not dead when its agent says that it lives; and is asked anew after a while', () => {
    const standings = sight();
    standings.heard('node-b', false, 1_000);
    standings.take('node-a', QUIET, doubting('node-b', 1), 1_050);
    standings.take('node-b', QUIET, { ...QUIET, answered: 1 }, 1_200);
    standings.tick(5_000);
    expect(standings.dead).toEqual([]);
    standings.heard('node-b', false, 1_000 + ASK_AGAIN_MS - 1);
    expect(standings.report().unreachable).toEqual([{ node: 'node-b', asked: 1 }]);
    standings.heard('node-b', false, 1_000 + ASK_AGAIN_MS);
    expect(standings.report().unreachable).toEqual([{ node: 'node-b', asked: 2 }]);
  });

  test('is waited for as many round trips to the API server as it takes, where those are long', () => {
    const standings = sight();
    standings.takeRoundTrip(300);
    standings.heard('node-b', false, 1_000);
    standings.take('node-a', QUIET, doubting('node-b', 1), 1_300);
    standings.tick(2_400);
    expect(standings.dead).toEqual([]);
    standings.tick(2_500);
    expect(standings.dead).toEqual(['node-b']);
  });

  test('is waited for longer where its agent has just begun', () => {
    const standings = sight();
    const begun = { ...QUIET, publicKey: 'another' };
    standings.take('node-b', QUIET, begun, 1_000);
    standings.take('node-c', QUIET, doubting('node-b', 1), 2_000);
    expect(standings.nextTick).toBe(2_000 + STARTING_ANSWER_MS);
    standings.tick(2_000 + STARTING_ANSWER_MS - 1);
    expect(standings.dead).toEqual([]);
    standings.tick(2_000 + STARTING_ANSWER_MS);
    expect(standings.dead).toEqual(['node-b']);
  });

  test('is waited for as any other where its agent began a while ago', () => {
    const standings = sight();
    standings.take('node-b', QUIET, { ...QUIET, publicKey: 'another' }, 1_000);
    standings.take('node-c', QUIET, doubting('node-b', 1), 1_000 + STARTING_MS);
    standings.tick(1_000 + STARTING_MS + ANSWER_MS);
    expect(standings.dead).toEqual(['node-b']);
  });

  test('is dead for nodes too that do not ask it themselves', () => {
    const standings = sight();
    standings.take('node-c', QUIET, doubting('node-b', 1), 1_000);
    standings.tick(1_000 + ANSWER_MS);
    expect(standings.dead).toEqual(['node-b']);
  });

  test('is nothing new where it never answered, or where the doubt was there before this node looked', () => {
    const standings = new NodeStandings('node-a');
    standings.take('node-b', undefined, QUIET, 0);
    standings.take('node-c', undefined, doubting('node-b', 7), 0);
    standings.heard('node-b', false, 100);
    expect(standings.report().unreachable).toEqual([{ node: 'node-b', asked: 0 }]);
    standings.take('node-a', QUIET, doubting('node-b', 0), 100);
    standings.tick(60_000);
    expect(standings.dead).toEqual([]);
    expect([standings.trustIn('node-b', 60_000), standings.trustIn('node-c', 60_000)]).toEqual(['living', 'steady']);
  });
});

describe('a dead node', () => {
  function withDead(): NodeStandings {
    const standings = sight();
    standings.heard('node-b', false, 0);
    standings.take('node-a', QUIET, doubting('node-b', 1), 0);
    standings.tick(ANSWER_MS);
    return standings;
  }

  test.each<[string, (standings: NodeStandings) => void]>([
    ['answers', (standings) => standings.heard('node-b', true, 2_000)],
    ['is heard by the API server', (standings) => standings.take('node-b', QUIET, { ...QUIET, answered: 1 }, 2_000)],
    ['has another agent', (standings) => standings.take('node-b', QUIET, { ...QUIET, publicKey: 'l' }, 2_000)],
  ])('lives when it %s, and is relied on as before once it has for a while', (_, lives) => {
    const standings = withDead();
    lives(standings);
    standings.heard('node-b', true, 2_000);
    expect(standings.dead).toEqual([]);
    expect(standings.trustIn('node-b', 2_000 + RETURNED_MS - 1)).toBe('living');
    expect(standings.trustIn('node-b', 2_000 + RETURNED_MS)).toBe('steady');
  });

  /** Has the node die and live again; says how long it takes from then on until it is relied on as before, in milliseconds. */
  function waitAfter(standings: NodeStandings, dies: number, lives: number): number {
    standings.heard('node-b', false, dies - ANSWER_MS);
    const asked = standings.report().unreachable[0]?.asked ?? 0;
    standings.take('node-a', doubting('node-b', asked - 1), doubting('node-b', asked), dies - ANSWER_MS);
    standings.tick(dies);
    expect(standings.dead).toEqual(['node-b']);
    standings.heard('node-b', true, lives);
    let waits = 0;
    while (standings.trustIn('node-b', lives + waits) === 'living') waits += RETURNED_MS;
    expect(standings.trustIn('node-b', lives + waits - 1)).toBe('living');
    return waits;
  }

  test('that dies again soon waits three times as long each time, for five minutes at most, and is as good as new once it has lived for ten', () => {
    const standings = sight();
    let now = 0;
    const waitOnceItLived = (ms: number) => {
      const dies = now + ms;
      now = dies + 1_000;
      return waitAfter(standings, dies, now);
    };
    const waits = Array.from({ length: 6 }, () => waitOnceItLived(2_000));
    expect(waits).toEqual([5_000, 15_000, 45_000, 135_000, 300_000, 300_000]);
    expect(waitOnceItLived(590_000)).toBe(300_000);
    expect(waitOnceItLived(600_000)).toBe(RETURNED_MS);
    expect(waitOnceItLived(2_000)).toBe(3 * RETURNED_MS);
  });

  test('is not as good as new by the time that it was dead', () => {
    const standings = sight();
    expect(waitAfter(standings, 1_000, 2_000)).toBe(RETURNED_MS);
    expect(waitAfter(standings, 12_000, 3_600_000)).toBe(3 * RETURNED_MS);
  });

  test('is forgotten with its report', () => {
    const standings = withDead();
    standings.take('node-b', QUIET, undefined, 2_000);
    expect(standings.dead).toEqual([]);
  });
});

test('who is doubted answers each doubt once', () => {
  const standings = sight();
  standings.take('node-b', QUIET, doubting('node-a', 1), 1_000);
  standings.take('node-b', doubting('node-a', 1), doubting('node-a', 1), 1_100);
  expect(standings.report().answered).toBe(1);
  standings.take('node-c', QUIET, doubting('node-a', 1), 1_200);
  standings.take('node-b', doubting('node-a', 1), doubting('node-a', 2), 9_000);
  expect(standings.report().answered).toBe(3);
});

test('who is doubted answers the first doubt of another agent too, which counts from the beginning', () => {
  const standings = sight();
  standings.take('node-b', QUIET, doubting('node-a', 1), 1_000);
  standings.take('node-b', doubting('node-a', 1), QUIET, 2_000);
  standings.take('node-b', QUIET, { ...doubting('node-a', 1), publicKey: 'l' }, 3_000);
  expect(standings.report().answered).toBe(2);
  standings.take('node-b', doubting('node-a', 1), { ...doubting('node-a', 1), publicKey: 'm' }, 4_000);
  expect(standings.report().answered).toBe(3);
});

/** Nodes that watch each other, with an API server that takes its time; what happens to cables is drawn at random. */
class World {
  readonly names: readonly string[];
  readonly sights = new Map<string, NodeStandings>();
  readonly #written = new Map<string, Liveness>();
  readonly #pending: { at: number; node: string; said: Liveness }[] = [];
  readonly off = new Set<string>();
  /** Pairs that do not hear each other, and nodes that the API server does not hear. */
  readonly cut = new Set<string>();
  readonly deaf = new Set<string>();
  now = 0;
  /** Who was dead for whom while it lived and was heard by the API server. */
  readonly wrongs: string[] = [];

  constructor(count: number) {
    this.names = Array.from({ length: count }, (_, index) => `node-${index}`);
    for (const name of this.names) this.sights.set(name, new NodeStandings(name));
    for (const node of this.names) {
      this.#written.set(node, QUIET);
      for (const standings of this.sights.values()) standings.take(node, undefined, QUIET, 0);
    }
  }

  /** 50 ms go by: everybody asks everybody, writes what is new, and hears what was written 50 ms before. */
  step(): void {
    this.now += 50;
    for (const [one, standings] of this.#alive()) this.#ask(one, standings);
    const due = this.#pending.filter(({ at }) => at <= this.now);
    this.#pending.splice(0, this.#pending.length, ...this.#pending.filter(({ at }) => at > this.now));
    for (const { node, said } of due) this.#spread(node, said);
    for (const [one, standings] of this.#alive()) this.#judge(one, standings);
  }

  #ask(one: string, standings: NodeStandings): void {
    for (const other of this.names) if (other !== one) standings.heard(other, this.#reaches(one, other), this.now);
    const said = { ...QUIET, ...standings.report() };
    if (!this.deaf.has(one) && JSON.stringify(said) !== JSON.stringify(this.#written.get(one)))
      this.#pending.push({ at: this.now + 50, node: one, said });
  }

  #spread(node: string, said: Liveness): void {
    const before = this.#written.get(node);
    this.#written.set(node, said);
    for (const [one, standings] of this.#alive()) if (!this.deaf.has(one)) standings.take(node, before, said, this.now);
  }

  #judge(one: string, standings: NodeStandings): void {
    standings.tick(this.now);
    for (const dead of standings.dead)
      if (!this.off.has(dead) && !this.deaf.has(dead)) this.wrongs.push(`${one} took ${dead} for dead at ${this.now}`);
  }

  #alive(): readonly (readonly [string, NodeStandings])[] {
    return [...this.sights].filter(([name]) => !this.off.has(name));
  }

  #reaches(one: string, other: string): boolean {
    return !this.off.has(other) && !this.cut.has([one, other].sort().join());
  }
}

test('however cables break, a node that the API server hears is dead for nobody; and one that is off is dead for all whom it hears', () => {
  const place = fc.nat(4);
  const event = fc.record({
    kind: fc.constantFrom('cut', 'mend'),
    one: place,
    other: place,
    steps: fc.integer({ min: 1, max: 8 }),
  });
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 5 }), fc.array(event, { maxLength: 12 }), place, (count, events, last) => {
      const world = new World(count);
      const name = (index: number) => world.names[index % count] as string;
      for (let step = 0; step < 4; step += 1) world.step();
      for (const { kind, one, other, steps } of events) {
        const pair = [name(one), name(other)].sort().join();
        if (kind === 'cut') world.cut.add(pair);
        else world.cut.delete(pair);
        for (let step = 0; step < steps; step += 1) world.step();
      }
      expect(world.wrongs).toEqual([]);
      world.cut.clear();
      for (let step = 0; step < 4; step += 1) world.step();
      world.off.add(name(last));
      for (let step = 0; step < 20; step += 1) world.step();
      for (const other of world.names.filter((one) => one !== name(last)))
        expect(world.sights.get(other)?.dead).toEqual([name(last)]);
      expect(world.wrongs).toEqual([]);
    }),
  );
});

test('a node that neither the others nor the API server hear is dead for them, and nobody is for it', () => {
  const world = new World(3);
  for (let step = 0; step < 4; step += 1) world.step();
  world.deaf.add('node-0');
  world.cut.add('node-0,node-1').add('node-0,node-2');
  for (let step = 0; step < 40; step += 1) world.step();
  const dead = world.names.map((name) => world.sights.get(name)?.dead);
  expect(dead).toEqual([[], ['node-0'], ['node-0']]);
  world.deaf.clear();
  world.cut.clear();
  for (let step = 0; step < 10; step += 1) world.step();
  expect(world.names.map((name) => world.sights.get(name)?.dead)).toEqual([[], [], []]);
});
