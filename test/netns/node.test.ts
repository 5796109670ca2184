import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NodePlan } from '../../src/dataplane/node-plan.ts';
import { cleanup } from '../../src/dataplane/operation.ts';
import { KeyMismatch } from '../../src/host/keys.ts';
import { ForeignLink } from '../../src/host/observe.ts';
import { keyFileName } from '../../src/net/key.ts';
import { because } from '../support/because.ts';
import { aNodePlan, aPublicKey, PLAN_NAMES } from '../support/node-plans.ts';
import { missing } from './machine.ts';
import { newKeys, onWireguardGo, TestNode } from './mesh.ts';

const { device } = PLAN_NAMES;
const ALICE = aPublicKey(1);
const BOB = aPublicKey(2);

describe.skipIf(missing)(`a node${because(missing)}`, () => {
  let node: TestNode;
  let plan: NodePlan;
  beforeEach(async () => {
    node = await TestNode.create();
    plan = aNodePlan({
      publicKey: node.keys.publicKey,
      peers: { [ALICE]: ['10.213.0.16/32'], [BOB]: ['10.213.0.17/32'] },
    });
  });
  afterEach(() => node.dispose());

  const observed = async () => (await node.host.observe(PLAN_NAMES)).state;
  const ifindex = async () => (await observed()).device?.ifindex;

  test('is adopted by the next agent: nothing is done, and the interface is the same', async () => {
    await node.sync(plan);
    const before = await ifindex();
    await node.restartHost('orphan');
    expect(await node.sync(plan)).toEqual([]);
    expect(await ifindex()).toBe(before);
  });

  test('keeps interface, addresses and routes when wireguard-go ends with the agent', async () => {
    plan = onWireguardGo(plan);
    await node.sync(plan);
    const before = await observed();
    await node.restartHost('end');
    const between = await observed();
    expect(between.device).toMatchObject({ stopped: true, ifindex: before.device?.ifindex });
    expect(between.device?.addresses).toEqual(before.device?.addresses);
    expect(between.routes).toEqual(before.routes);
    const steps = await node.sync(plan);
    expect(steps.map(({ kind }) => kind)).toEqual(['start-link', 'set-device', 'set-link', 'set-peers']);
    expect(await observed()).toEqual(before);
  });

  test('is only looked at when nothing differs, and changed by one command when one peer does', async () => {
    await node.sync(plan);
    const commandsOf = async (other: NodePlan) => {
      node.commandsRun.length = 0;
      await node.sync(other);
      return node.commandsRun.filter((line) => !/ (show|list)\b|^wg --version/.test(line));
    };
    expect(await commandsOf(plan)).toEqual([]);
    const wishes = { publicKey: node.keys.publicKey };
    const one = aNodePlan({ ...wishes, peers: { [ALICE]: ['10.213.0.16/32'] } });
    expect(await commandsOf(one)).toEqual([
      `wg set ${device} peer ${BOB} remove`,
      'conntrack -D -f ipv4 -s 10.213.0.17/32',
    ]);
    expect(await commandsOf(plan)).toEqual([`wg set ${device} peer ${BOB} allowed-ips 10.213.0.17/32`]);
    const wider = aNodePlan({ ...wishes, peers: { [ALICE]: ['10.213.0.16/32'] }, serviceCidrs: ['10.43.0.0/16'] });
    expect((await commandsOf(wider)).filter((line) => line.startsWith('nft'))).toHaveLength(1);
  });

  test('is left byte for byte as it was', async () => {
    await node.namespace.runAll(`
      ip link add up0 type veth peer name up1
      ip address add 192.0.2.1/24 dev up0
      ip link set up0 up
      nft add table inet other
      nft add chain inet other input { type filter hook input priority 0 ; }
    `);
    const before = await everything(node);
    await node.sync(plan);
    expect(await everything(node)).not.toBe(before);
    const { state } = await node.host.observe(PLAN_NAMES);
    for (const step of cleanup(PLAN_NAMES, state)) await node.host.apply(step);
    expect(await everything(node)).toBe(before);
  });

  test('keeps forwarding when it was on before', async () => {
    await node.namespace.run('sysctl -q -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1');
    const before = await everything(node);
    await node.sync(plan);
    await node.restartHost('end');
    const { state } = await node.host.observe(PLAN_NAMES);
    for (const step of cleanup(PLAN_NAMES, state)) await node.host.apply(step);
    expect(await everything(node)).toBe(before);
  });

  test('remembers that it turned forwarding on, across agents and, within one, a flushed ruleset', async () => {
    await node.sync(plan);
    await node.namespace.run('nft flush ruleset');
    expect((await observed()).sysctls.turnedOn).toEqual([4, 6]);
    await node.sync(plan);
    await node.restartHost('end');
    expect((await observed()).sysctls.turnedOn).toEqual([4, 6]);
  });

  test('refuses a key that the gateway does not announce, without saying the key', async () => {
    const other = aNodePlan({ publicKey: newKeys().publicKey });
    const refusal = await node.sync(other).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(KeyMismatch);
    expect(String(refusal)).not.toContain(
      (await readFile(`${node.folder}/keys/${keyFileName(node.keys.publicKey)}`, 'utf8')).trim(),
    );
  });

  test('leaves an interface alone that bears our name but is something else', async () => {
    await node.namespace.run(`ip link add ${device} type veth peer name other0`);
    await expect(observed()).rejects.toThrow(ForeignLink);
  });

  test('takes ten thousand peers, and removes them again', { timeout: 120_000 }, async () => {
    const peers = Object.fromEntries(
      manyKeys(10_000).map((key, index) => [key, [`10.214.${index >> 8}.${index & 255}/32`]]),
    );
    const crowded = aNodePlan({ publicKey: node.keys.publicKey, peers });
    await node.sync(crowded);
    expect((await node.host.observePeers(device)).size).toBe(10_000);
    expect(await node.sync(crowded)).toEqual([]);
    for (const step of cleanup(PLAN_NAMES, await observed())) await node.host.apply(step);
    expect((await observed()).device).toBeUndefined();
  });
});

async function everything({ namespace }: TestNode): Promise<string> {
  const commands = [
    'ip -d link',
    'ip address',
    'ip route show table all',
    'ip -6 route show table all',
    'ip rule',
    'ip -6 rule',
  ];
  const parts = [];
  for (const command of [...commands, 'nft list ruleset', 'sysctl -a']) parts.push(await namespace.run(command));
  return parts.join('\n').replaceAll(/^.*(nf_conntrack_count|random\.|fs\.|kernel\.|vm\.|valid_lft|temp).*$/gm, '');
}

/** Keys that no private key is known of; making so many pairs would take seconds. */
function manyKeys(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => {
    const bytes = Buffer.alloc(32, 7);
    bytes.writeUInt32BE(index, 0);
    return bytes.toString('base64');
  });
}
