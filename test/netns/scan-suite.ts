import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Running } from '../../src/host/exec.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import type { TestCluster } from './cluster.ts';
import { prepareForScans, reach, reachLinkLocal, type Source, scanTargets, spoof, watchSources } from './scan.ts';
import { isReachable, type ScanWishes, scannedPlan, scanWorld } from './scan-world.ts';
import { EVERY_PORT, FEW_PORTS, SOME_PORTS } from './sweep.ts';
import { describeSweep } from './sweep-suite.ts';

/** The other laptop's, the probe's, the gateway's, a pod's, the node's, those of nobody in the mesh and of nobody at all. */
const STOLEN: readonly Source[] = [
  ['10.213.0.17', 'fd5a:213::17'],
  ['10.213.0.15', 'fd5a:213::f'],
  ['10.213.0.1', 'fd5a:213::1'],
  ['10.1.0.2', 'fd5a:1::2'],
  ['10.1.0.1', 'fd5a:1::1'],
  ['10.213.0.99', 'fd5a:213::99'],
  ['198.51.100.7', '2001:db8::7'],
];

/** A scan from each laptop, whose result is computed from the objects beforehand. It goes last: the cluster has more listeners afterwards. */
export function describeScan(given: () => TestCluster, mode: 'nftables' | 'iptables'): void {
  describe('a scan of all that there is', { timeout: 60_000 }, () => {
    const programs: Running[] = [];
    beforeAll(async () => {
      programs.push(...(await prepareForScans(given())));
    }, 60_000);
    afterAll(() => Promise.all(programs.map((program) => program.stop())));

    const bringTo = async (access: 'Allow' | 'Deny', wishes?: ScanWishes) => {
      const { gateway } = given();
      const world = scanWorld(given(), access, wishes);
      const { facts } = await gateway.host.observe(PLAN_NAMES);
      await gateway.sync(scannedPlan(world, facts));
      return world;
    };

    test.each([
      ['Allow', 'default'],
      ['Deny', 'default'],
      ['Deny', 'office'],
    ] as const)(
      'reaches what the objects say and nothing else, and the rest says no: %s by default, through gateway %s',
      async (access, name) => {
        const world = await bringTo(access, { name });
        const scan = async (name: 'alice' | 'bob') => {
          const targets = scanTargets(name);
          const found = await reach(given(), name, targets);
          const those = (outcome: string) => targets.filter((_target, index) => found[index] === outcome);
          const wanted = targets.filter((target) => isReachable(world, name, target));
          expect(wanted.length).toBeGreaterThan(4);
          expect(those('open'), name).toEqual(wanted);
          expect(those('silent'), name).toEqual([]);
        };
        await Promise.all([scan('alice'), scan('bob')]);
      },
    );

    const ports = {
      nftables: { node: EVERY_PORT, gateway: SOME_PORTS },
      iptables: { node: FEW_PORTS, gateway: FEW_PORTS },
    };
    // What every port does in one mode holds in the other, for which the node is the same.
    describeSweep(given, { bringTo, ports: ports[mode] });
    test.each(['Allow', 'Deny'] as const)(
      'finds a node that is the same in both modes: %s by default',
      async (access) => {
        const { facts } = await given().gateway.host.observe(PLAN_NAMES);
        expect(facts.proxyMode).toBe(mode);
        const [here, there] = (['nftables', 'iptables'] as const).map((proxyMode) =>
          scannedPlan(scanWorld(given(), access, { newConnectionsPerSecond: 0 }), { ...facts, proxyMode }),
        );
        expect(here).toEqual(there);
      },
    );

    test('finds shut what is open to the cluster', async () => {
      for (const port of [22, 10250, 30443])
        expect((await given().backend.ask(`tcp 10.1.0.1 ${port}`)).answer).toBe('connected');
    });

    test.each(['Allow', 'Deny'] as const)('finds nothing on the link itself: %s by default', async (access) => {
      await bringTo(access);
      expect(await reachLinkLocal(given(), 'alice')).not.toContain('open');
    });

    /** Somebody may reach each of these. */
    const REACHED = [
      'tcp 10.96.0.20 80',
      'udp 10.96.0.10 53',
      'tcp 10.96.0.1 443',
      'tcp fd5a:96::20 80',
      'udp fd5a:96::a 53',
    ];

    test.each(['Allow', 'Deny'] as const)(
      'gets nowhere with an address that is not the laptop’s own: %s by default',
      async (access) => {
        const world = await bringTo(access);
        const may = (name: 'alice' | 'bob') => REACHED.filter((target) => isReachable(world, name, target));
        expect(new Set([...may('alice'), ...may('bob')])).toEqual(new Set(REACHED));
        if (access === 'Deny')
          expect(may('bob')).not.toEqual(may('bob').filter((target) => may('alice').includes(target)));
        const seen = await watchSources(given(), 'alice');
        expect(await reach(given(), 'alice', may('alice'))).toEqual(may('alice').map(() => 'open'));
        expect((await seen()).own).toBeGreaterThan(0);
        expect(new Set(await spoof(given(), 'alice', REACHED, STOLEN))).toEqual(new Set(['silent']));
        expect(await seen()).toMatchObject({ others4: 0, others6: 0 });
      },
    );
  });
}
