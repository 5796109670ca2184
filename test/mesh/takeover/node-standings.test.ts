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

/** Its own first telling has come back to node-a at this time. */
function doubtOfB(standings: NodeStandings, at: number): void {
  standings.heard('node-b', false, at);
  standings.take('node-a', QUIET, doubting('node-b', 1), at);
}

describe('a node that does not answer', () => {
  test('is told thrice, each time once what was told has come back, and dead with the last if no sign of life has come', () => {
    const standings = sight();
    standings.heard('node-b', false, 1_000);
    expect([standings.report().unreachable, standings.nextTick]).toEqual([[{ node: 'node-b', asked: 1 }], undefined]);
    standings.take('node-a', QUIET, doubting('node-b', 1), 1_050);
    expect(standings.nextTick).toBe(1_050 + ANSWER_MS / 2);
    expect(standings.trustIn('node-b', 1_100)).toBe('none');
    standings.tick(1_050 + ANSWER_MS / 2 - 1);
    expect(standings.report().unreachable).toEqual([{ node: 'node-b', asked: 1 }]);
    standings.tick(1_050 + ANSWER_MS / 2);
    expect([standings.report().unreachable, standings.nextTick]).toEqual([[{ node: 'node-b', asked: 2 }], undefined]);
    standings.take('node-a', doubting('node-b', 1), doubting('node-b', 2), 1_200);
    standings.tick(1_200 + ANSWER_MS / 2);
    expect(standings.report().unreachable).toEqual([{ node: 'node-b', asked: 3 }]);
    expect(standings.dead).toEqual([]);
    standings.take('node-a', doubting('node-b', 2), doubting('node-b', 3), 1_400);
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
    doubtOfB(standings, 1_000);
    standings.take('node-b', QUIET, { ...QUIET, answered: 1 }, 1_100);
    expect([standings.nextTick, standings.trustIn('node-b', 1_100)]).toEqual([undefined, 'living']);
    standings.heard('node-b', false, 1_000 + ASK_AGAIN_MS - 1);
    expect(standings.report().unreachable).toEqual([{ node: 'node-b', asked: 1 }]);
    standings.heard('node-b', false, 1_000 + ASK_AGAIN_MS);
    expect(standings.report().unreachable).toEqual([{ node: 'node-b', asked: 4 }]);
    standings.take('node-a', doubting('node-b', 1), doubting('node-b', 4), 12_000);
    expect(standings.trustIn('node-b', 12_000)).toBe('none');
  });

  test.each([
    ['between the tellings', 1],
    ['before the last one, which was on its way', 2],
  ])('is not dead by a doubt since which it has given a sign of life: %s', (_, told) => {
    const standings = sight();
    for (let asked = 1; asked <= 3; asked += 1) {
      standings.take('node-c', asked === 1 ? QUIET : doubting('node-b', asked - 1), doubting('node-b', asked), asked);
      if (asked === told) standings.take('node-b', QUIET, { ...QUIET, answered: 1 }, asked);
    }
    expect([standings.dead, standings.trustIn('node-b', 10)]).toEqual([[], 'steady']);
  });

  test('is waited for as many round trips to the API server as it takes, where those are long', () => {
    const standings = sight();
    standings.takeRoundTrip(300);
    doubtOfB(standings, 1_000);
    expect(standings.nextTick).toBe(1_600);
  });

  test('is waited for longer where its agent has just begun', () => {
    const standings = sight();
    standings.take('node-b', QUIET, { ...QUIET, publicKey: 'another' }, 1_000);
    doubtOfB(standings, 2_000);
    expect(standings.nextTick).toBe(2_000 + STARTING_ANSWER_MS / 2);
  });

  test('is waited for as any other where its agent began a while ago', () => {
    const standings = sight();
    standings.take('node-b', QUIET, { ...QUIET, publicKey: 'another' }, 1_000);
    doubtOfB(standings, 1_000 + STARTING_MS);
    expect(standings.nextTick).toBe(1_000 + STARTING_MS + ANSWER_MS / 2);
  });

  test('is dead for nodes too that do not ask it themselves, which tell nothing', () => {
    const standings = sight();
    standings.take('node-c', QUIET, doubting('node-b', 1), 1_000);
    expect([standings.trustIn('node-b', 1_000), standings.nextTick]).toEqual(['none', undefined]);
    standings.take('node-c', doubting('node-b', 1), doubting('node-b', 2), 1_150);
    expect(standings.dead).toEqual([]);
    standings.take('node-c', doubting('node-b', 2), doubting('node-b', 3), 1_300);
    expect(standings.dead).toEqual(['node-b']);
    expect(standings.report().unreachable).toEqual([]);
  });

  test.each([
    ['all of a doubt at once', 0, 3, true],
    ['the last telling of another doubt', 1, 6, true],
    ['the first telling of another doubt', 2, 4, false],
  ])('is judged by what is read after a gap in the watch: %s', (_, before, asked, isDead) => {
    const standings = sight();
    standings.take('node-c', doubting('node-b', before), doubting('node-b', asked), 1_000);
    expect([standings.isDead('node-b'), standings.trustIn('node-b', 1_000)]).toEqual([isDead, 'none']);
  });

  test.each<[string, Liveness | undefined]>([
    ['reaches it again', QUIET],
    ['has another agent', { ...doubting('node-b', 0), publicKey: 'another' }],
    ['is gone', undefined],
  ])('is doubted no more when the one that doubted it %s', (_, after) => {
    const standings = sight();
    standings.take('node-c', QUIET, doubting('node-b', 1), 1_000);
    standings.take('node-c', doubting('node-b', 1), after, 1_100);
    expect(standings.trustIn('node-b', 1_100)).not.toBe('none');
  });

  test('is doubted anew by another agent, which counts from the beginning', () => {
    const standings = sight();
    standings.take('node-c', doubting('node-b', 7), { ...doubting('node-b', 1), publicKey: 'another' }, 1_000);
    expect(standings.trustIn('node-b', 1_000)).toBe('none');
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

/** Has node-b die at this time, of which node-a hears all at once what it has told. */
function dies(standings: NodeStandings, at: number): void {
  standings.heard('node-b', false, at);
  const asked = standings.report().unreachable[0]?.asked ?? 0;
  standings.take('node-a', doubting('node-b', asked - 1), doubting('node-b', asked + 2), at);
  expect(standings.dead).toEqual(['node-b']);
}

describe('a dead node', () => {
  function withDead(): NodeStandings {
    const standings = sight();
    dies(standings, 0);
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
  function waitAfter(standings: NodeStandings, died: number, lives: number): number {
    dies(standings, died);
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
      const died = now + ms;
      now = died + 1_000;
      return waitAfter(standings, died, now);
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

/**
 * Nodes that watch each other, with an API server that takes its time: it writes in the order in which it was asked to, and each node asks for one write
 * at a time. What happens to cables, and how long it stands still, is drawn at random.
 */
class World {
  readonly names: readonly string[];
  readonly sights = new Map<string, NodeStandings>();
  readonly #written = new Map<string, Liveness>();
  readonly #pending: { readonly at: number; readonly node: string; readonly said: Liveness }[] = [];
  readonly off = new Set<string>();
  /** Pairs that do not hear each other, nodes that do not hear what they ask another, and nodes that the API server does not hear. */
  readonly cut = new Set<string>();
  readonly deaf = new Set<string>();
  now = 0;
  /** Until when the API server stands still. */
  stallsUntil = 0;
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

  /** Something happens to a pair of nodes, or to the API server, which then stands still for longer than until the next thing. */
  happen(kind: 'cut' | 'mend' | 'stall', pair: string, steps: number): void {
    if (kind === 'cut') this.cut.add(pair);
    else if (kind === 'mend') this.cut.delete(pair);
    else this.stallsUntil = this.now + steps * 200;
    for (let step = 0; step < steps; step += 1) this.step();
  }

  /** 50 ms go by: everybody asks everybody, writes what is new, and hears what was written 50 ms before. */
  step(): void {
    this.now += 50;
    for (const [one, standings] of this.#alive()) this.#ask(one, standings);
    const due = this.now < this.stallsUntil ? [] : this.#pending.filter(({ at }) => at <= this.now);
    this.#pending.splice(0, due.length);
    for (const { node, said } of due) this.#spread(node, said);
    for (const [one, standings] of this.#alive()) this.#judge(one, standings);
  }

  #ask(one: string, standings: NodeStandings): void {
    for (const other of this.names) if (other !== one) standings.heard(other, this.#reaches(one, other), this.now);
    const said = { ...QUIET, ...standings.report() };
    if (this.deaf.has(one) || this.#pending.some(({ node }) => node === one)) return;
    if (JSON.stringify(said) !== JSON.stringify(this.#written.get(one)))
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
    return !this.off.has(other) && !this.cut.has([one, other].sort().join()) && !this.cut.has(`${one} to ${other}`);
  }
}

test('however cables break and the API server stands still, a node that the API server hears is dead for nobody; and one that is off is dead for all whom it hears', () => {
  const place = fc.nat(4);
  const event = fc.record({
    kind: fc.constantFrom('cut' as const, 'mend' as const, 'stall' as const),
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
        world.happen(kind, pair, steps);
      }
      expect(world.wrongs).toEqual([]);
      world.cut.clear();
      world.stallsUntil = 0;
      for (let step = 0; step < 4; step += 1) world.step();
      world.off.add(name(last));
      for (let step = 0; step < 20; step += 1) world.step();
      for (const other of world.names.filter((one) => one !== name(last)))
        expect(world.sights.get(other)?.dead).toEqual([name(last)]);
      expect(world.wrongs).toEqual([]);
    }),
  );
});

test('a sign of life that waits for an older write of its node, while the API server stands still, is not overtaken', () => {
  const world = new World(3);
  for (let step = 0; step < 4; step += 1) world.step();
  world.happen('cut', 'node-0 to node-1', 1);
  // What node-1 says of this is under way when it reads that node-0 doubts it.
  world.happen('cut', 'node-1 to node-2', 1);
  for (let step = 0; step < 2; step += 1) world.happen('stall', '', 4);
  for (let step = 0; step < 40; step += 1) world.step();
  expect(world.wrongs).toEqual([]);
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
