import type { Conditions } from '../../support/bad-network/path.ts';
import { Simulation } from './simulation.ts';

/** A way of 20 ms there and back. */
export const NEAR: Partial<Conditions> = { delayMs: 10 };
/** 200 ms there and back, and every twentieth packet lost each way. */
export const FAR_AND_LOSSY: Partial<Conditions> = {
  delayMs: 90,
  jitterMs: 20,
  loss: 0.05,
  duplicated: 0.05,
  reordered: 0.05,
};
/** Nobody there. */
export const GONE: Partial<Conditions> = { blackHole: true };

/** One request after the other, each a moment after the last was answered; gives the times that they took. */
export function requests(simulation: Simulation, everyMs: number): number[] {
  const times: number[] = [];
  const again = () =>
    simulation.request((ms) => {
      times.push(ms);
      simulation.later(everyMs, again);
    });
  again();
  return times;
}

/** A new connection attempt ten times a second, whether or not others are answered; gives when each answer came. */
export function attempts(simulation: Simulation): number[] {
  const answers: number[] = [];
  const again = () => {
    simulation.send(() => answers.push(simulation.now));
    simulation.later(100, again);
  };
  again();
  return answers;
}

/** Datagrams that nobody answers. */
export function oneWay(simulation: Simulation, everyMs: number): void {
  const again = () => {
    simulation.send(undefined);
    simulation.later(everyMs, again);
  };
  again();
}

/** Gives the way to a node other conditions, in both directions; none unless given. */
export function lose(simulation: Simulation, place: number, conditions = GONE): void {
  const node = simulation.nodes[place];
  if (node === undefined) throw new Error(`no node ${place}`);
  node.up = conditions;
  node.down = conditions;
}

/** A path that was dialled while the network was good, and then became so. */
export function warmedUp(seed: number, ...conditions: readonly Partial<Conditions>[]): Simulation {
  const simulation = new Simulation(seed, ...conditions.map(({ delayMs = 0 }) => ({ delayMs })));
  simulation.pass(2_000);
  for (const [place, one] of conditions.entries()) lose(simulation, place, one);
  return simulation;
}

/** Milliseconds from a moment to the first answer after it. */
export function outage(answers: readonly number[], from: number): number {
  return (answers.find((at) => at > from + 250) ?? Number.POSITIVE_INFINITY) - from;
}
