import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { NodePlan } from '../../src/dataplane/node-plan.ts';
import { WireGuard } from '../../src/host/wireguard.ts';
import { because } from '../support/because.ts';
import { aNodePlan, PLAN_NAMES } from '../support/node-plans.ts';
import { missing } from './machine.ts';
import { newKeys, TestNode } from './mesh.ts';
import { Namespace } from './namespace.ts';
import { wireguardGo } from './support-usermode.ts';

const { device } = PLAN_NAMES;
const ADDRESS = '10.213.0.16/32';
const newKey = () => randomBytes(32).toString('base64');

describe.skipIf(missing)(`a laptop with a preshared key${because(missing)}`, () => {
  const keys = newKeys();
  const [first, second] = [newKey(), newKey()];
  let node: TestNode;
  let laptop: Namespace;
  let wireguard: WireGuard;

  beforeAll(async () => {
    node = await TestNode.create();
    laptop = await Namespace.create();
    await node.namespace.link('under0', ['192.168.50.1/24'], laptop, 'eth0', ['192.168.50.2/24']);
    const privateKeyFile = join(node.folder, 'laptop');
    await writeFile(privateKeyFile, keys.privateKey, { mode: 0o600 });
    const options = { privateKeyFile, wireguardGo: await wireguardGo(), runDir: node.folder };
    wireguard = new WireGuard(laptop.commands, options);
    await wireguard.create('wg0', 'Auto');
    await wireguard.set('wg0', keys.publicKey, undefined);
    await laptop.runAll(`
      ip address add ${ADDRESS} dev wg0
      ip link set wg0 mtu 1420 up
      ip route add 10.213.0.1/32 dev wg0
    `);
  });

  afterAll(async () => {
    await wireguard?.close();
    await laptop?.dispose();
    await node?.dispose();
  });

  /** The node's plan with the key of this version for the laptop. */
  async function keyed(version: string | undefined): Promise<NodePlan> {
    const plan = aNodePlan({ publicKey: node.keys.publicKey, peers: { [keys.publicKey]: [ADDRESS] } });
    const fingerprint = (await node.host.presharedKeys()).get(version ?? '');
    const [peer] = plan.device.peers.values();
    if (version === undefined || fingerprint === undefined || peer === undefined) return plan;
    const entry = { ...peer, presharedKey: { file: version, fingerprint } };
    return { ...plan, device: { ...plan.device, peers: new Map([[keys.publicKey, entry]]) } };
  }

  /** Whether the laptop, beginning anew with this key, is answered. */
  async function isAnswered(key: string | undefined): Promise<boolean> {
    const file = join(node.folder, 'laptop-psk');
    await writeFile(file, key ?? '', { mode: 0o600 });
    await laptop.tries(`wg set wg0 peer ${node.keys.publicKey} remove`);
    await laptop.run(
      `wg set wg0 peer ${node.keys.publicKey} preshared-key ${file} endpoint 192.168.50.1:51840 allowed-ips 10.213.0.1/32`,
    );
    return (await laptop.tries('ping -c 1 -W 2 10.213.0.1')) !== '';
  }

  async function changesFor(version: string | undefined): Promise<readonly string[]> {
    node.commandsRun.length = 0;
    await node.sync(await keyed(version));
    return node.commandsRun.filter((line) => line.startsWith('wg set'));
  }

  test('has a handshake with it, and none with another or without', async () => {
    await node.bringPresharedKey('one', first);
    await node.sync(await keyed('one'));
    expect(await isAnswered(first)).toBe(true);
    expect(await isAnswered(second)).toBe(false);
    expect(await isAnswered(undefined)).toBe(false);
  });

  test('is left alone while nothing changes, also by the next agent, whose fingerprints are others', async () => {
    expect(await changesFor('one')).toEqual([]);
    await node.restartHost('orphan');
    expect(await changesFor('one')).toEqual([]);
  });

  test('gets another by one command, which names a file', async () => {
    await node.bringPresharedKey('two', second);
    const file = join(node.folder, 'preshared-keys', 'two');
    expect(await changesFor('two')).toEqual([`wg set ${device} peer ${keys.publicKey} preshared-key ${file}`]);
    expect(await isAnswered(second)).toBe(true);
    expect(await isAnswered(first)).toBe(false);
  });

  test('has it mended when somebody else changes it', async () => {
    await node.namespace.run(`wg set ${device} peer ${keys.publicKey} preshared-key /dev/null`);
    expect(await changesFor('two')).toHaveLength(1);
    expect(await isAnswered(second)).toBe(true);
  });

  test('loses it by one command', async () => {
    const expected = `wg set ${device} peer ${keys.publicKey} preshared-key /dev/null`;
    expect(await changesFor(undefined)).toEqual([expected]);
    expect(await isAnswered(undefined)).toBe(true);
  });

  test('never has it said in an error', async () => {
    const plan = await keyed('two');
    // `wg` quotes what it cannot read.
    await node.bringPresharedKey('two', `${second.slice(0, -1)}!`);
    const refusal = await node.sync(plan).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(Error);
    expect(`${refusal} ${(refusal as Error).cause ?? ''}`).not.toContain(second.slice(0, 8));
  });
});
