import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NodePlan } from '../../src/dataplane/node-plan.ts';
import { because } from '../support/because.ts';
import { aNodePlan, aPublicKey, PLAN_NAMES } from '../support/node-plans.ts';
import { missing } from './machine.ts';
import { onWireguardGo, TestNode } from './mesh.ts';
import { Watch } from './watch.ts';

const { device, table } = PLAN_NAMES;
const ALICE = aPublicKey(1);
const BOB = aPublicKey(2);

describe.skipIf(missing)(`drift${because(missing)}`, () => {
  let node: TestNode;
  let plan: NodePlan;
  let watch: Watch;
  beforeAll(async () => {
    node = await TestNode.create();
    plan = aNodePlan({
      publicKey: node.keys.publicKey,
      peers: { [ALICE]: ['10.213.0.16/32'], [BOB]: ['10.213.0.17/32'] },
    });
    await node.sync(plan);
    watch = new Watch(node.host, node.namespace);
    await watch.follows();
  });
  afterAll(async () => {
    watch?.stop();
    await node?.dispose();
  });

  /**
   * Does what the agent does: on a report observe, diff, apply, until the plan holds again. Begins with the report that says
   * `told`, since on a busy machine one about what was before may come first. @throws by the test's time limit without such
   */
  const mended = async (told: RegExp, hurt: () => Promise<unknown>): Promise<void> => {
    const before = await watch.quiet();
    await hurt();
    let heard = before;
    while (!watch.reasons.slice(before, heard).some((reason) => told.test(reason))) heard = await watch.moreThan(heard);
    for (let steps = await node.sync(plan); steps.length === 0; steps = await node.sync(plan))
      heard = await watch.moreThan(heard);
    expect(await node.sync(plan)).toEqual([]);
  };
  const run = (told: string, command: string) => mended(new RegExp(told), () => node.namespace.run(command));

  test.each([
    ['deletes the table', `nft delete table inet ${table}`],
    ['flushes the table', `nft flush table inet ${table}`],
    ['flushes the whole ruleset', 'nft flush ruleset'],
    ['flushes one chain', `nft flush chain inet ${table} from_mesh`],
    ['adds a rule', `nft insert rule inet ${table} from_mesh accept`],
    ['takes an element out of a set', `nft delete element inet ${table} services4 { 10.96.0.0/12 }`],
  ])('is seen and mended when somebody %s', async (_what, command) => {
    await run(`nftables table ${table} changed`, command);
  });

  test('of the table is told with the program that made it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drift-'));
    try {
      const program = join(folder, 'edge-firewall');
      await copyFile((await node.namespace.run('command -v nft')).trim(), program);
      await run(`nftables table ${table} changed`, `${program} flush table inet ${table}`);
      expect(watch.hands).toContain('edge-firewall');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test.each([
    ['deletes a route', `ip route delete 10.213.0.0/16 dev ${device}`],
    ['deletes an address', `ip address delete 10.213.0.1/32 dev ${device}`],
    ['adds an address', `ip address add 10.213.0.77/32 dev ${device}`],
    ['brings the interface down', `ip link set dev ${device} down`],
    ['changes its MTU', `ip link set dev ${device} mtu 1300`],
  ])('is seen and mended when somebody %s', async (_what, command) => {
    await run(`interface ${device}, its addresses or its routes changed`, command);
  });

  test.each([
    ['removes a peer', `wg set ${device} peer ${BOB} remove`],
    ['adds a peer', `wg set ${device} peer ${aPublicKey(9)} allowed-ips 10.213.0.200/32`],
    ["changes a peer's address", `wg set ${device} peer ${BOB} allowed-ips 10.213.0.99/32`],
    ["gives a peer another's address", `wg set ${device} peer ${BOB} allowed-ips 10.213.0.16/32`],
  ])('is seen and mended when somebody %s', async (_what, command) => {
    await run(`the peers of ${device} changed`, command);
  });

  test('is seen and mended when somebody changes the port', async () => {
    await run(`the key or the port of ${device} changed`, `wg set ${device} listen-port 51999`);
  });

  test('is seen and mended when somebody turns forwarding off', async () => {
    await run('forwarding was turned off', 'sysctl -q -w net.ipv4.ip_forward=0');
  });

  test('is seen and mended when somebody deletes the link', async () => {
    await run('.', `ip link delete dev ${device}`);
  });

  test('is seen and mended when somebody kills wireguard-go; everything else is as before', async () => {
    plan = onWireguardGo(plan);
    await node.sync(plan);
    const before = await node.host.observe(PLAN_NAMES);
    await mended(/ended|interface/, async () => process.kill(await wireguardGoPid(node), 'SIGKILL'));
    expect(await node.host.observe(PLAN_NAMES)).toEqual(before);
  });

  // What kube-proxy makes first in each mode; a bridge, because not every kernel has the dummy interface that ipvs mode makes.
  test.each([
    ['nftables', 'nft add table ip kube-proxy; add chain ip kube-proxy services', 'nft delete table ip kube-proxy'],
    ['iptables', 'iptables-nft -t nat -N KUBE-SERVICES', 'iptables-nft -t nat -X KUBE-SERVICES'],
    ['ipvs', 'ip link add dev kube-ipvs0 type bridge', 'ip link delete dev kube-ipvs0'],
  ])('is heard of when kube-proxy begins in %s mode, and when it leaves it', async (mode, begin, leave) => {
    const proxyMode = async () => (await node.host.observe(PLAN_NAMES)).facts.proxyMode;
    expect(await proxyMode()).toBe('unknown');
    for (const [command, then] of [
      [begin, mode],
      [leave, 'unknown'],
    ] as const) {
      const before = await watch.quiet();
      await node.namespace.run(command);
      await watch.moreThan(before);
      expect(watch.reasons.slice(before)).toContain('kube-proxy may run in another mode');
      expect(await proxyMode()).toBe(then);
    }
  });

  test('is not what we have done to elements ourselves, and is when somebody does the same', async () => {
    const changed = { set: 'granted_tcp4', added: ['10.96.0.77 . 53'], removed: ['10.96.0.10 . 53'] };
    const before = await watch.quiet();
    await node.host.apply({ kind: 'change-elements', table, changes: [changed] });
    expect(await watch.quiet()).toBe(before);
    await run(`nftables table ${table} changed`, `nft add element inet ${table} granted_tcp4 { 10.96.0.10 . 53 }`);
  });

  test('of others is none of ours', async () => {
    const before = await watch.quiet();
    await node.namespace.runAll(`
      nft add table inet other
      nft delete table inet other
      ip link add up0 type veth peer name up1
      ip address add 192.0.2.1/24 dev up0
      ip link delete dev up0
    `);
    expect(await watch.quiet()).toBe(before);
  });
});

async function wireguardGoPid({ namespace }: TestNode): Promise<number> {
  const sockets = await namespace.run('ss -Hlxp');
  const pid = /wireguard\/wg-default\.sock.*pid=(\d+)/.exec(sockets)?.[1];
  if (pid === undefined) throw new Error('nobody listens on the socket of the interface');
  return Number(pid);
}
