import { afterEach, beforeEach, expect, test } from 'vitest';
import { aKey } from '../support/builders.ts';
import { tellEmptyList } from '../support/empty-list.ts';
import { SmallMesh, type SmallNode } from '../support/small-mesh.ts';

const names = Array.from({ length: 12 }, (_, index) => `peer-${index}`);
let mesh: SmallMesh;
let node: SmallNode;

beforeEach(async () => {
  mesh = await SmallMesh.start();
  const endOperator = mesh.startOperator();
  await mesh.addGateway();
  node = await mesh.startNode('node-a');
  for (const name of names) await mesh.addPeer(name);
  await expect.poll(() => letIn()).toEqual(names);
  // Whoever asks for single objects from here on is the agent.
  await endOperator();
});
afterEach(() => mesh.stop());

/** The devices that the node's interface has. */
const letIn = () => {
  const keys = new Set<string>(node.host.state.device?.peers.keys());
  return names.filter((name) => keys.has(aKey(name)));
};
const asked = (path: RegExp) => mesh.server.requests.some((one) => one.method === 'GET' && path.test(one.path));

test('an agent puts nobody out for a list without devices before it has asked for single ones', async () => {
  expect(asked(/meshpeers\/peer-/)).toBe(false);
  tellEmptyList(mesh.server, '/meshpeers');
  await expect.poll(() => asked(/meshpeers\/peer-/)).toBe(true);
  expect(letIn()).toEqual(names);
});
