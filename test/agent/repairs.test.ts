import { beforeEach, describe, expect, test } from 'vitest';
import { Repairs } from '../../src/agent/repairs.ts';
import type { Operation } from '../../src/dataplane/operation.ts';
import type { Happening } from '../../src/k8s/events.ts';
import { AT_ONCE, EVERY_MS } from '../../src/mesh/contest.ts';
import { aServedGateway } from '../support/builders.ts';
import { ManualClock } from '../support/fake-clock.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';

const STEPS: readonly Operation[] = [{ kind: 'set-link', device: PLAN_NAMES.device, mtu: 1_420, up: true }];

describe('who undoes a repair while it is made', () => {
  let clock: ManualClock;
  let told: Happening[];
  let due: number;
  let repairs: Repairs;

  beforeEach(() => {
    clock = new ManualClock();
    told = [];
    due = 0;
    repairs = new Repairs({
      node: 'node-a',
      sync: { gateway: aServedGateway(), names: PLAN_NAMES },
      clock,
      events: { record: (happening) => told.push(happening), flush: async () => undefined },
      onDue: () => {
        due += 1;
      },
    });
  });

  /** A look that mends, while these are heard. */
  function mends(...heard: readonly (string | undefined)[]): void {
    repairs.looks();
    for (const by of heard) repairs.heard(by);
    repairs.took(STEPS, true);
    repairs.looked(true);
  }

  test('is named with the next one', () => {
    repairs.heard('edge-firewall');
    mends('nft', 'edge-firewall');
    mends('edge-firewall', 'nft');
    mends('nft');
    mends();
    expect(told.map(({ note }) => /node-a (\S+) changed/.exec(note)?.[1])).toEqual([
      ...['edge-firewall', 'edge-firewall', 'edge-firewall'],
      // By the name of its program nobody can tell this agent from another one.
      'somebody',
    ]);
  });

  test('is not this agent itself, whose look has failed after it had written the table', () => {
    repairs.looks();
    repairs.heard('nft');
    repairs.looked(false);
    repairs.heard('nft');
    mends();
    expect(told[0]?.note).toContain('somebody changed');
  });

  test('may be a person with the program that this agent runs too, soon after a look that had nothing to do', () => {
    repairs.looks();
    repairs.looked(true);
    repairs.heard('nft');
    mends();
    expect(told[0]?.note).toContain('nft changed');
  });

  test('is given way like anybody else', async () => {
    for (let times = 0; times < AT_ONCE; times += 1) mends('edge-firewall');
    expect(due).toBe(AT_ONCE);
    mends('edge-firewall');
    await clock.advance(EVERY_MS - 1);
    expect(due).toBe(AT_ONCE);
    await clock.advance(1);
    expect(due).toBe(AT_ONCE + 1);
  });

  test('is looked for also after a look that failed', () => {
    repairs.looks();
    repairs.heard('edge-firewall');
    repairs.looked(false);
    expect(due).toBe(1);
    mends();
    expect(told[0]?.note).toContain('edge-firewall changed');
  });
});
