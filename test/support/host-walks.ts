import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { NodePlan } from '../../src/dataplane/node-plan.ts';
import { cleanup, diff } from '../../src/dataplane/operation.ts';
import {
  type Breakable,
  type HostAbilities,
  type HostUnderTest,
  observed,
  performed,
  predicted,
} from './host-under-test.ts';
import { aNodePlan, aPublicKey, type NodePlanWishes, PLAN_NAMES } from './node-plans.ts';
import { essence, randomWishes } from './random-plans.ts';

/** A plan to go to, and what happens once the node is there. */
interface Stage {
  readonly wishes: NodePlanWishes;
  /** Whether each step is done again at once. */
  readonly twice: boolean;
  readonly afterwards: 'nothing' | 'restart' | Breakable;
}

/** What is broken is what every plan here has. */
const ROUTE = '10.213.0.0/16';
const LONG_MS = 600_000;
/** Stands for what the host has. */
const ANY_KEY = aPublicKey(97);

/** From any plan to any other, over what is lost in between, a host ends where the fake's model does. */
export function describeWalks(makeHost: () => Promise<HostUnderTest>, abilities: HostAbilities): void {
  describe('random walks between plans', () => {
    test('each arrives, where the model says, and leaves nothing behind', { timeout: LONG_MS }, async () => {
      const walks = fc.array(stages(abilities), { minLength: 2, maxLength: 4 });
      const property = fc.asyncProperty(walks, (walk) => walked(makeHost, abilities, walk));
      // Without shrinking: a run on a real host takes seconds, and the seed, which fast-check prints, brings it back.
      await fc.assert(property, { numRuns: abilities.walks, endOnFailure: true });
    });
  });
}

function stages({ dataplanes }: HostAbilities): fc.Arbitrary<Stage> {
  return fc.record({
    wishes: randomWishes({ dataplanes, others: [ANY_KEY] }).map((wishes) => ({
      ...wishes,
      routes: [...new Set([ROUTE, ...(wishes.routes ?? [])])],
    })),
    twice: fc.boolean(),
    afterwards: fc.constantFrom('nothing', 'restart', 'table', 'route', 'link'),
  });
}

async function walked(
  makeHost: () => Promise<HostUnderTest>,
  abilities: HostAbilities,
  walk: readonly Stage[],
): Promise<void> {
  const under = await makeHost();
  try {
    for (const stage of walk) await passed(under, abilities, stage);
    await performed(under, cleanup(PLAN_NAMES, await observed(under)));
    expect(essence(await observed(under))).toEqual({ device: undefined, table: undefined, routes: [] });
  } finally {
    await under.dispose();
  }
}

async function passed(
  under: HostUnderTest,
  abilities: HostAbilities,
  { wishes, twice, afterwards }: Stage,
): Promise<void> {
  const { other, ...rest } = wishes;
  const second = other && { other: { ...other, publicKey: under.others[0] ?? under.publicKey } };
  const plan: NodePlan = aNodePlan({ ...rest, ...second, publicKey: under.publicKey });
  const before = await observed(under);
  const steps = diff(plan, before);
  await performed(under, twice ? steps.flatMap((step) => [step, step]) : steps);
  const after = await observed(under);
  expect(diff(plan, after)).toEqual([]);
  expect(essence(after)).toEqual(essence(predicted(abilities, before, steps)));
  if (!steps.some(({ kind }) => kind === 'create-link')) expect(after.device?.ifindex).toBe(before.device?.ifindex);
  if (afterwards === 'restart') {
    await under.restart('orphan');
    expect(diff(plan, await observed(under))).toEqual([]);
  } else if (afterwards !== 'nothing') {
    await under.break(afterwards);
    expect(diff(plan, await observed(under))).not.toEqual([]);
  }
}
