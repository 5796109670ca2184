import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { because } from '../support/because.ts';
import { aNodePlan } from '../support/node-plans.ts';
import { missing } from './machine.ts';
import { newKeys, TestNode } from './mesh.ts';
import { Namespace } from './namespace.ts';

const PROGRAM = join(import.meta.dirname, 'programs/outsider.ts');
const RESPONSE = 'type 2, 92 bytes';

const device = newKeys();
let node: TestNode;
let outside: Namespace;
beforeAll(async () => {
  if (missing !== undefined) return;
  node = await TestNode.create();
  outside = await Namespace.create();
  await node.namespace.link('under0', ['192.168.50.1/24'], outside, 'eth0', ['192.168.50.2/24']);
  const { publicKey } = node.keys;
  await node.sync(aNodePlan({ publicKey, peers: { [device.publicKey]: ['10.213.0.16/32'] } }));
});
afterAll(async () => {
  await outside?.dispose();
  await node?.dispose();
});

const heardFrom = async (port: number): Promise<Readonly<Record<string, readonly string[]>>> => {
  const words = [String(port), node.keys.publicKey, device.privateKey];
  return JSON.parse(await outside.commands.run([process.execPath, PROGRAM, '192.168.50.1', ...words]));
};

test.skipIf(missing)(
  `somebody without a device’s key hears nothing, whatever he sends${because(missing)}`,
  async () => {
    const heard = Object.entries(await heardFrom(51840));
    expect(heard.length).toBeGreaterThan(5);
    // The device that asks after each kind, at the same socket, is what was heard: so it would have been heard.
    for (const [kind, texts] of heard) expect(new Set(texts), kind).toEqual(new Set([RESPONSE]));
  },
);
