import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { because } from '../support/because.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { routeThrough, TestCluster } from './cluster.ts';
import { missing } from './machine.ts';
import { type LaptopName, reach, type Scanned, scanTargets, watchSources } from './scan.ts';
import { isReachable, type ScanWishes, type ScanWorld, scannedPlan, scanWorld } from './scan-world.ts';

/** Services, by name or by number: each is open to somebody through some gateway. */
const SERVED = [
  'tcp 10.96.0.20 80',
  'tcp 10.96.0.20 7',
  'udp 10.96.0.10 53',
  'tcp 10.96.0.1 443',
  'tcp fd5a:96::20 80',
];

/**
 * Two nodes that proxy the same Services, each of a gateway of its own. Alice dials both of them, with one key and the same addresses:
 *
 *     alice ─┬─ wg0 ── the node of gateway `default`
 *            └─ wg1 ── the node of gateway `office`, which lets its own bob in
 */
describe.skipIf(missing)(`a device of one gateway that sends to the node of another${because(missing)}`, () => {
  let home: TestCluster;
  let office: TestCluster;
  /** The node of the other gateway, as alice sees it. */
  let away: Scanned;

  beforeAll(async () => {
    if (missing !== undefined) return;
    [home, office] = [await TestCluster.create('nftables'), await TestCluster.create('nftables')];
    away = { gateway: office.gateway, alice: home.alice, bob: office.bob };
    await office.dialledBy(home.alice, 'wg1');
  });
  afterAll(async () => {
    await office?.dispose();
    await home?.dispose();
  });

  /** Brings the node to what the objects say of its gateway. */
  async function bringTo(node: Scanned, access: 'Allow' | 'Deny', wishes: ScanWishes): Promise<ScanWorld> {
    const world = scanWorld(node, access, wishes);
    const { facts } = await node.gateway.host.observe(PLAN_NAMES);
    await node.gateway.sync(scannedPlan(world, facts));
    return world;
  }

  const open = async (node: Scanned, name: LaptopName, targets: readonly string[]) => {
    const found = await reach(node, name, targets);
    return targets.filter((_target, index) => found[index] === 'open');
  };
  const openIn = (world: ScanWorld, name: LaptopName) => SERVED.filter((target) => isReachable(world, name, target));
  const handshake = async () => (await home.alice.namespace.run('wg show wg1 latest-handshakes')).trim().split('\t')[1];

  test.each(['Allow', 'Deny'] as const)(
    'gets no packet past it where it is not let in: %s by default',
    async (access) => {
      const wishes = { aliceIn: ['default'] };
      const own = await bringTo(home, access, { ...wishes, name: 'default' });
      const other = await bringTo(away, access, { ...wishes, name: 'office' });
      const targets = scanTargets('alice');
      expect(targets.filter((target) => isReachable(other, 'alice', target))).toEqual([]);
      await routeThrough(home.alice, 'wg1');
      const seen = await watchSources(away, 'alice');
      expect(await open(away, 'alice', targets)).toEqual([]);
      expect(await handshake()).toBe('0');
      expect(await seen()).toEqual({ own: 0, others4: 0, others6: 0 });
      // Nobody else is concerned: whom that gateway let in, and the same device at its own.
      expect(openIn(other, 'bob').length).toBeGreaterThan(1);
      expect(await open(away, 'bob', SERVED)).toEqual(openIn(other, 'bob'));
      await routeThrough(home.alice, 'wg0');
      expect(openIn(own, 'alice').length).toBeGreaterThan(1);
      expect(await open(home, 'alice', SERVED)).toEqual(openIn(own, 'alice'));
    },
  );

  test('gets, where it is let in, what was granted through that gateway', async () => {
    const own = await bringTo(home, 'Deny', { name: 'default' });
    const other = await bringTo(away, 'Deny', { name: 'office' });
    expect(openIn(own, 'alice')).not.toEqual(openIn(other, 'alice'));
    await routeThrough(home.alice, 'wg1');
    await expect.poll(() => open(away, 'alice', SERVED)).toEqual(openIn(other, 'alice'));
    expect(await handshake()).not.toBe('0');
    await routeThrough(home.alice, 'wg0');
    expect(await open(home, 'alice', SERVED)).toEqual(openIn(own, 'alice'));
  });
});
