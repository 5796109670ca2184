import { describe, expect, it } from 'vitest';
import { attempts, FAR_AND_LOSSY, GONE, lose, NEAR, oneWay, outage, requests, warmedUp } from './loads.ts';
import { Simulation } from './simulation.ts';

const SEEDS = Array.from({ length: 60 }, (_, index) => 1_000 * index + 1);

describe('a path with traffic', () => {
  it('has new connections work within a second after its node has gone, whenever that is', () => {
    const outages = SEEDS.map((seed, index) => {
      const simulation = new Simulation(seed, NEAR, NEAR);
      const answers = attempts(simulation);
      simulation.pass(5_000 + 7 * index);
      const from = simulation.now;
      lose(simulation, 0);
      simulation.pass(5_000);
      expect(simulation.present).toBe(1);
      return outage(answers, from);
    });
    expect(Math.max(...outages)).toBeLessThanOrEqual(1_000);
  });

  it('does the same where only what is sent, or only what is received, is lost', () => {
    for (const direction of ['up', 'down'] as const) {
      const simulation = new Simulation(1, NEAR, NEAR);
      const answers = attempts(simulation);
      simulation.pass(5_000);
      const [node] = simulation.nodes;
      if (node !== undefined) node[direction] = GONE;
      simulation.pass(5_000);
      expect(outage(answers, 5_000)).toBeLessThanOrEqual(1_000);
    }
  });

  it('renews its session within about a second at a node that has restarted, without a move', () => {
    const simulation = new Simulation(1, NEAR, NEAR);
    const answers = attempts(simulation);
    simulation.pass(5_000);
    const [node] = simulation.nodes;
    if (node !== undefined) node.life += 1;
    simulation.pass(5_000);
    expect(simulation.present).toBe(0);
    expect(simulation.count('set')).toBe(1);
    expect(outage(answers, 5_000)).toBeLessThanOrEqual(1_300);
  });

  it('goes past a node that shakes hands and carries nothing', () => {
    const simulation = new Simulation(1, NEAR, NEAR, NEAR);
    const answers = attempts(simulation);
    simulation.pass(5_000);
    lose(simulation, 0);
    const [, node] = simulation.nodes;
    if (node !== undefined) node.isMute = true;
    simulation.pass(10_000);
    expect(simulation.present).toBe(2);
    expect(outage(answers, 5_000)).toBeLessThanOrEqual(4_000);
  });

  it('never moves in a minute at 5 % loss and 200 ms, with requests, attempts or one-way traffic', () => {
    for (const seed of SEEDS)
      for (const load of [
        (one: Simulation) => requests(one, 700),
        (one: Simulation) => attempts(one),
        (one: Simulation) => oneWay(one, 50),
        () => undefined,
      ]) {
        const simulation = warmedUp(seed, FAR_AND_LOSSY, FAR_AND_LOSSY, NEAR);
        load(simulation);
        simulation.pass(60_000);
        expect({ seed, present: simulation.present, sets: simulation.count('set') }).toEqual({
          seed,
          present: 0,
          sets: 0,
        });
      }
  });

  it('never moves, and renews no session, when a full queue makes every way thirty times as long', () => {
    for (const seed of SEEDS)
      for (const [load, isAlone] of [
        [requests, true],
        [attempts, true],
        [oneWay, true],
        [requests, false],
        [oneWay, false],
      ] as const) {
        const simulation = new Simulation(seed, NEAR, NEAR);
        simulation.state = { ...simulation.state, isAlone };
        simulation.pass(2_000);
        load(simulation, 700);
        simulation.pass(5_000 + (seed % 700));
        for (const place of [0, 1]) lose(simulation, place, { delayMs: 300, jitterMs: 10 });
        simulation.pass(30_000);
        const { present, state } = simulation;
        expect({ seed, present, sets: simulation.count('set') }).toEqual({ seed, present: 0, sets: 0 });
        expect(state.standing.condition).toBe('working');
      }
  });

  it('moves there too when the node has gone, and back to no other', () => {
    const outages = SEEDS.map((seed) => {
      const simulation = warmedUp(seed, FAR_AND_LOSSY, FAR_AND_LOSSY);
      const answers = attempts(simulation);
      simulation.pass(10_000);
      lose(simulation, 0);
      simulation.pass(60_000);
      expect(simulation.present).toBe(1);
      lose(simulation, 0, FAR_AND_LOSSY);
      simulation.pass(60_000);
      expect(simulation.present).toBe(1);
      return outage(answers, 12_000);
    });
    const sorted = outages.toSorted((one, other) => one - other);
    expect(sorted[SEEDS.length / 2]).toBeLessThan(2_500);
    expect(sorted[0.9 * SEEDS.length]).toBeLessThan(5_000);
  });
});

describe('checks', () => {
  it('are made of an idle path every 25 s', () => {
    const simulation = new Simulation(1, NEAR);
    simulation.pass(300_000);
    expect(simulation.count('check')).toBe(12);
    expect(simulation.count('race')).toBe(0);
  });

  it('are rare where an application sends and never gets an answer', () => {
    const simulation = new Simulation(1, NEAR);
    oneWay(simulation, 20);
    simulation.pass(300_000);
    expect(simulation.count('check')).toBeLessThanOrEqual(65);
    expect(simulation.count('race')).toBe(0);
  });

  it('are not made while answers come', () => {
    const simulation = new Simulation(1, NEAR);
    attempts(simulation);
    simulation.pass(300_000);
    expect(simulation.count('check')).toBe(1);
  });

  it('find within 6 s that the node of a one-way application has gone', () => {
    const simulation = new Simulation(1, NEAR, NEAR);
    oneWay(simulation, 50);
    simulation.pass(60_000);
    lose(simulation, 0);
    simulation.pass(6_500);
    expect(simulation.present).toBe(1);
  });

  it('are made at once when the machine wakes, and the path is dialled anew where the session is gone', () => {
    const simulation = new Simulation(1, NEAR);
    simulation.pass(5_000);
    const [node] = simulation.nodes;
    if (node !== undefined) node.life += 1;
    simulation.slept = 3_600_000;
    simulation.pass(1_500);
    expect(simulation.count('set')).toBe(1);
    expect(simulation.state.standing.condition).toBe('working');
    expect(simulation.state.phase.kind).toBe('watching');
  });
});

describe('a path without a network', () => {
  it('is told as offline, tried ever more seldom, and works again within 11 s by itself', () => {
    const simulation = new Simulation(1, NEAR, NEAR);
    attempts(simulation);
    simulation.pass(5_000);
    lose(simulation, 0);
    lose(simulation, 1);
    simulation.pass(5_000);
    expect(simulation.state.standing.condition).toBe('offline');
    const races = simulation.count('race');
    simulation.pass(120_000);
    expect(simulation.count('race') - races).toBeLessThanOrEqual(12);
    lose(simulation, 1, NEAR);
    simulation.pass(11_000);
    expect([simulation.present, simulation.state.standing.condition]).toEqual([1, 'working']);
  });

  it('works again at once when the machine tells of a new address', () => {
    const simulation = new Simulation(1, NEAR, NEAR);
    const answers = attempts(simulation);
    simulation.pass(5_000);
    lose(simulation, 0);
    lose(simulation, 1);
    simulation.pass(60_000);
    const from = simulation.now;
    lose(simulation, 0, NEAR);
    lose(simulation, 1, NEAR);
    simulation.tell({ kind: 'woken' });
    simulation.pass(5_000);
    expect(outage(answers, from)).toBeLessThan(2_500);
    expect(simulation.state.standing.condition).toBe('working');
  });

  it('is told as unproven where the only gateway shakes hands and carries nothing', () => {
    const simulation = new Simulation(1, NEAR);
    attempts(simulation);
    simulation.pass(5_000);
    const [node] = simulation.nodes;
    if (node !== undefined) node.isMute = true;
    simulation.pass(60_000);
    expect(simulation.state.standing.condition).toBe('unproven');
    expect(simulation.count('set')).toBeLessThan(16);
    if (node !== undefined) node.isMute = false;
    simulation.pass(11_000);
    expect(simulation.state.standing.condition).toBe('working');
  });
});
