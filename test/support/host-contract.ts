import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NodePlan } from '../../src/dataplane/node-plan.ts';
import { cleanup, diff, diffPeers, type Operation } from '../../src/dataplane/operation.ts';
import { describeOperations } from './host-operations.ts';
import { type HostAbilities, type HostUnderTest, observed, performed, synced } from './host-under-test.ts';
import { describeWalks } from './host-walks.ts';
import { aNodePlan, aPublicKey, type NodePlanWishes, PLAN_NAMES } from './node-plans.ts';

const ALICE = aPublicKey(1);
const BOB = aPublicKey(2);
const CAROL = aPublicKey(3);

/** What every Host promises; the fake one and the real one run the same suite, so the fake cannot drift away. */
export function describeHost(name: string, makeHost: () => Promise<HostUnderTest>, abilities: HostAbilities): void {
  describe(`${name} keeps the contract of a Host`, () => {
    let under: HostUnderTest;
    beforeEach(async () => {
      under = await makeHost();
    });
    afterEach(() => under.dispose());

    const plan = (wishes: NodePlanWishes = {}) => aNodePlan({ publicKey: under.publicKey, ...wishes });
    const observe = () => observed(under);
    const perform = (steps: readonly Operation[]) => performed(under, steps);
    const sync = (wanted: NodePlan) => synced(under, wanted);
    const kinds = (steps: readonly Operation[]) => steps.map((step) => step.kind);

    test('a bare node has nothing of ours', async () => {
      const { facts, state } = await under.host.observe(PLAN_NAMES);
      expect(facts.node).not.toBe('');
      expect(facts.underlayMtu).toBeGreaterThan(0);
      expect(state.device).toBeUndefined();
      expect(state.ruleset).toBeUndefined();
      expect(state.routes).toEqual([]);
      expect(await under.host.observePeers(PLAN_NAMES.device)).toEqual(new Map());
    });

    test('what is applied is observed, and then nothing differs', async () => {
      const wanted = plan({ peers: { [ALICE]: ['10.213.0.16/32'], [BOB]: ['10.213.0.17/32', '10.213.1.0/24'] } });
      await sync(wanted);
      expect(diff(wanted, await observe())).toEqual([]);
      const { device, routes, sysctls } = await observe();
      expect(device).toMatchObject({ up: true, mtu: wanted.device.mtu, publicKey: under.publicKey });
      expect(device?.addresses).toEqual(wanted.device.addresses);
      expect(routes).toEqual(wanted.routes);
      expect(sysctls).toMatchObject({ forwarding4: true, rpFilter: 2 });
      expect(await under.host.observePeers(PLAN_NAMES.device)).toEqual(device?.peers);
    });

    test('every step may be repeated', async () => {
      const first = await sync(plan({ peers: { [ALICE]: ['10.213.0.16/32'] } }));
      await perform(first);
      const other = plan({ peers: { [BOB]: ['10.213.0.16/32'] }, serviceCidrs: ['10.43.0.0/16'], routes: [] });
      await perform(await sync(other));
      expect(diff(other, await observe())).toEqual([]);
      const away = await perform(cleanup(PLAN_NAMES, await observe()));
      await perform(away);
      expect((await observe()).device).toBeUndefined();
    });

    test('one changed peer is one step', async () => {
      const before = plan({ peers: { [ALICE]: ['10.213.0.16/32'], [BOB]: ['10.213.0.17/32'] } });
      await sync(before);
      const after = plan({
        peers: { [ALICE]: ['10.213.0.16/32'], [BOB]: ['10.213.0.17/32'], [CAROL]: ['10.213.0.18/32'] },
      });
      const steps = diffPeers(after.device, await under.host.observePeers(PLAN_NAMES.device), [CAROL]);
      expect(kinds(steps)).toEqual(['set-peers']);
      await perform(steps);
      expect(diff(after, await observe())).toEqual([]);
    });

    test('a preshared key is seen, set, told apart from another, and taken away', async () => {
      const bare = plan({ peers: { [ALICE]: ['10.213.0.16/32'], [BOB]: ['10.213.0.17/32'] } });
      expect(await under.host.presharedKeys()).toEqual(new Map());
      await under.bring('one', Buffer.alloc(32, 1).toString('base64'));
      await under.bring('two', Buffer.alloc(32, 2).toString('base64'));
      const found = await under.host.presharedKeys();
      expect([...found.keys()].sort()).toEqual(['one', 'two']);
      const keyed = (file: string): NodePlan => {
        const presharedKey = { file, fingerprint: found.get(file) ?? '' };
        const alice = { publicKey: ALICE, allowedIPs: [], ...bare.device.peers.get(ALICE), presharedKey };
        return { ...bare, device: { ...bare.device, peers: new Map(bare.device.peers).set(ALICE, alice) } };
      };
      for (const wanted of [keyed('one'), keyed('two'), bare, keyed('one')]) {
        await sync(wanted);
        expect(diff(wanted, await observe())).toEqual([]);
      }
      const peers = await under.host.observePeers(PLAN_NAMES.device);
      expect([peers.get(ALICE)?.presharedKey, peers.get(BOB)?.presharedKey]).toEqual([found.get('one'), undefined]);
    });

    test('an address moves from one peer to another', async () => {
      await sync(plan({ peers: { [ALICE]: ['10.213.0.16/32'], [BOB]: ['10.213.0.17/32'] } }));
      const swapped = plan({ peers: { [ALICE]: ['10.213.0.17/32'], [BOB]: ['10.213.0.16/32'] } });
      await sync(swapped);
      expect(diff(swapped, await observe())).toEqual([]);
      const moved = plan({ peers: { [CAROL]: ['10.213.0.16/32', '10.213.0.17/32'] } });
      await sync(moved);
      expect(diff(moved, await observe())).toEqual([]);
    });

    test('addresses go from one key of a device to the other and back in one step, and no connection ends', async () => {
      const at = (holder: typeof ALICE) =>
        plan({ pair: [ALICE, BOB], peers: { [holder]: ['10.213.0.16/32', 'fd5a:213::16/128'] } });
      await sync(at(ALICE));
      for (const holder of [BOB, ALICE, BOB]) {
        const steps = await sync(at(holder));
        expect(kinds(steps)).toEqual(['set-peers']);
        const said = steps.flatMap((step) => (step.kind === 'set-peers' ? step.changes : []));
        expect(said.filter(({ kind }) => kind !== 'yield')).toMatchObject([{ kind: 'change', publicKey: holder }]);
        await perform(steps);
        const peers = await under.host.observePeers(PLAN_NAMES.device);
        const [has = [], other = []] = [holder, holder === ALICE ? BOB : ALICE].map(
          (key) => peers.get(key)?.allowedIPs,
        );
        expect([has.length, other.length]).toEqual([2, 0]);
      }
      const settled = plan({ peers: { [BOB]: ['10.213.0.16/32', 'fd5a:213::16/128'] } });
      expect(kinds(await sync(settled))).toEqual(['set-peers']);
      expect(diff(settled, await observe())).toEqual([]);
    });

    test('a new prefix in a set is a change of elements', async () => {
      await sync(plan());
      const wider = plan({ serviceCidrs: ['10.96.0.0/12', '10.43.0.0/16'] });
      expect(kinds(await sync(wider))).toEqual(['change-elements']);
      expect(diff(wider, await observe())).toEqual([]);
      const overlapping = plan({ serviceCidrs: ['10.96.0.0/16', '10.43.0.0/17', '10.43.128.0/17'] });
      expect(kinds(await sync(overlapping))).toEqual(['change-elements']);
      expect(diff(overlapping, await observe())).toEqual([]);
    });

    test('other rules are a new table, and what it remembers is carried over', async () => {
      await sync(plan());
      const { turnedOn } = (await observe()).sysctls;
      expect(kinds(await sync(plan({ accessDefault: 'Deny' })))).toEqual(['replace-table']);
      expect((await observe()).ruleset?.turnedOn).toEqual(turnedOn);
      expect(turnedOn).toContain(4);
    });

    test('addresses, port and MTU follow the plan', async () => {
      await sync(plan());
      const other = plan({ addresses: ['10.213.0.2/32'], listenPort: 51841, mtu: 1380 });
      await sync(other);
      expect(diff(other, await observe())).toEqual([]);
      expect((await observe()).device).toMatchObject({ listenPort: 51841, mtu: 1380 });
    });

    test.each(['table', 'route', 'link'] as const)('a lost %s is seen and mended', async (what) => {
      const wanted = plan({ peers: { [ALICE]: ['10.213.0.16/32'] } });
      await sync(wanted);
      const watching = new AbortController();
      const seen = Promise.withResolvers<string>();
      under.host.watchDrift(PLAN_NAMES, watching.signal, seen.resolve);
      /* A watch needs a moment to begin; what happens before that is found by the next sync. */
      for (let reason: string | undefined; reason === undefined; ) {
        await sync(wanted);
        await under.break(what);
        reason = await Promise.race([seen.promise, delay(1000, undefined)]);
      }
      expect(await seen.promise).toMatch(/\S/);
      watching.abort();
      expect((await sync(wanted)).length).toBeGreaterThan(0);
      expect(diff(wanted, await observe())).toEqual([]);
    });

    test('cleanup leaves nothing, forwarding as it was', async () => {
      await sync(plan({ peers: { [ALICE]: ['10.213.0.16/32'] } }));
      await perform(cleanup(PLAN_NAMES, await observe()));
      const state = await observe();
      expect(state).toMatchObject({ routes: [], sysctls: { forwarding4: false, turnedOn: [] } });
      expect(state.device).toBeUndefined();
      expect(state.ruleset).toBeUndefined();
      expect(cleanup(PLAN_NAMES, state)).toEqual([]);
    });

    test.each(abilities.dataplanes)(
      'an interface wanted as %s is that, and adopted by the next agent',
      async (dataplane) => {
        const wanted = plan({ dataplane, peers: { [ALICE]: ['10.213.0.16/32'] } });
        await sync(wanted);
        const before = await observe();
        expect(before.device?.dataplane).toBe(dataplane === 'Auto' ? abilities.auto : dataplane);
        await under.restart('orphan');
        expect(await sync(wanted)).toEqual([]);
        expect(await observe()).toEqual(before);
      },
    );

    test.each(abilities.dataplanes)(
      'an interface wanted as %s serves again once wireguard-go has ended',
      async (dataplane) => {
        const wanted = plan({ dataplane, peers: { [ALICE]: ['10.213.0.16/32'] } });
        await sync(wanted);
        const before = await observe();
        await under.restart('end');
        const needed =
          before.device?.dataplane === 'Kernel' ? [] : ['start-link', 'set-device', 'set-link', 'set-peers'];
        expect(kinds(await sync(wanted))).toEqual(needed);
        expect(await observe()).toEqual(before);
      },
    );

    describeOperations(makeHost, abilities);
    describeWalks(makeHost, abilities);
  });
}
