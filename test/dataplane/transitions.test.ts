import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { NodePlan, NodeState } from '../../src/dataplane/node-plan.ts';
import { cleanup, diff, diffPeers, type Operation } from '../../src/dataplane/operation.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { afterOperation, BARE_NODE } from '../support/fake-host.ts';
import { aNodePlan, aPublicKey, PLAN_NAMES } from '../support/node-plans.ts';
import { essence, RANDOM_PEERS, randomWishes } from '../support/random-plans.ts';

const KEYS = RANDOM_PEERS;
const plans: fc.Arbitrary<NodePlan> = randomWishes({
  publicKeys: [aPublicKey(98), aPublicKey(99)],
  dataplanes: ['Auto', 'Kernel', 'Userspace'],
  others: [aPublicKey(96), aPublicKey(97)],
}).map(aNodePlan);

const perform = (state: NodeState, steps: readonly Operation[]) => steps.reduce(afterOperation, state);
const reach = (state: NodeState, plan: NodePlan) => perform(state, diff(plan, state));

test('after the steps to a plan there are none left', () => {
  fc.assert(
    fc.property(plans, plans, (first, second) => {
      expect(diff(second, reach(reach(BARE_NODE, first), second))).toEqual([]);
    }),
  );
});

test('a walk over any plans ends where going there at once does', () => {
  const seen = fc.array(plans, { minLength: 2, maxLength: 5 });
  fc.assert(
    fc.property(seen, (walk) => {
      const last = walk.at(-1) as NodePlan;
      const walked = walk.reduce(reach, BARE_NODE);
      const turnedOn = walked.ruleset?.turnedOn ?? [];
      const direct = reach(BARE_NODE, last);
      const expected = { ...direct, ruleset: direct.ruleset && { ...direct.ruleset, turnedOn } };
      expect(essence(walked)).toEqual(essence(expected));
    }),
  );
});

test('steps may be repeated, all of them or from any one on', () => {
  fc.assert(
    fc.property(plans, plans, fc.nat(12), (first, second, interruption) => {
      const start = reach(BARE_NODE, first);
      const steps = diff(second, start);
      const interrupted = perform(start, steps.slice(0, interruption));
      expect(essence(reach(interrupted, second))).toEqual(essence(perform(start, steps)));
      expect(essence(perform(perform(start, steps), diff(second, perform(start, steps))))).toEqual(
        essence(perform(start, steps)),
      );
    }),
  );
});

test('cleanup leaves a node as it was, from anywhere', () => {
  fc.assert(
    fc.property(fc.array(plans, { maxLength: 4 }), (walk) => {
      const state = walk.reduce(reach, BARE_NODE);
      expect(perform(state, cleanup(PLAN_NAMES, state))).toEqual(BARE_NODE);
    }),
  );
});

test('peers one by one end where all at once do', () => {
  fc.assert(
    fc.property(plans, plans, fc.shuffledSubarray([...KEYS], { minLength: KEYS.length }), (first, second, order) => {
      const start = reach(BARE_NODE, first);
      const oneByOne = order.reduce((state, key) => {
        const peersNow = state.device?.peers ?? new Map();
        return perform(state, diffPeers(second.device, peersNow, [key]));
      }, start);
      const again = perform(oneByOne, diffPeers(second.device, oneByOne.device?.peers ?? new Map(), KEYS));
      const atOnce = perform(start, diffPeers(second.device, start.device?.peers ?? new Map(), KEYS));
      expect(essence(again).device?.peers).toEqual(essence(atOnce).device?.peers);
    }),
  );
});

test('whatever a peer loses is forgotten', () => {
  fc.assert(
    fc.property(plans, plans, (first, second) => {
      const before = reach(BARE_NODE, first).device?.peers ?? new Map();
      const steps = diffPeers(second.device, before, KEYS);
      const forgotten = new Set(steps.flatMap((step) => (step.kind === 'forget-flows' ? step.sources : [])));
      for (const [key, peer] of before)
        for (const cidr of peer.allowedIPs)
          expect(forgotten.has(cidr)).toBe(
            second.device.peers.get(key as PublicKey)?.allowedIPs.includes(cidr) !== true &&
              !yields(second, key as PublicKey, peer.allowedIPs),
          );
    }),
  );
});

/** Whether a peer gives all that it had to the other key of its device, whose connections go on with it. */
function yields({ device: { peers } }: NodePlan, key: PublicKey, had: readonly string[]): boolean {
  const now = peers.get(key);
  const other = now?.otherKey === undefined ? undefined : peers.get(now.otherKey);
  return now?.allowedIPs.length === 0 && had.every((cidr) => other?.allowedIPs.some((has) => has === cidr) === true);
}
