import { afterEach, beforeEach, expect, test } from 'vitest';
import { isTrue } from '../../src/api/conditions.ts';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import { aKey } from '../support/builders.ts';
import { SmallMesh, type SmallNode } from '../support/small-mesh.ts';

let mesh: SmallMesh;
let node: SmallNode;

beforeEach(async () => {
  mesh = await SmallMesh.start();
  await mesh.addGateway();
  mesh.startOperator();
  node = await mesh.startNode('node-a');
  await mesh.addPeer('ada');
  await mesh.untilPeer('ada', has(aKey('ada')));
});

afterEach(() => mesh.stop());

/** Whether a device is in everywhere with this key. */
function has(key: string): (peer: MeshPeer) => boolean {
  return ({ status }) => status?.publicKey === key && isTrue(status.conditions ?? [], 'Programmed');
}

const held = () => [...(node.host.state.device?.peers.keys() ?? [])];

test('a cluster that is put back to an earlier state is what counts from then on, also for who waits for versions', async () => {
  const restore = mesh.server.backup();
  await mesh.addPeer('bob');
  await mesh.client.patch(meshPeerType, { namespace: 'team-a', name: 'ada' }, { spec: { publicKey: aKey('other') } });
  await mesh.untilPeer('bob', has(aKey('bob')));
  await mesh.untilPeer('ada', has(aKey('other')));
  for (let more = 0; more < 100; more += 1) mesh.server.nextVersion();
  mesh.server.sendBookmarks();
  mesh.server.finishWatches('cut');
  await mesh.server.until(() => mesh.server.watches.size === 0);
  restore();
  await expect.poll(held, { timeout: 5_000 }).toEqual(expect.arrayContaining([aKey('ada')]));
  await expect.poll(held, { timeout: 5_000 }).not.toContain(aKey('bob'));
  expect(held()).not.toContain(aKey('other'));
  await mesh.addPeer('cy');
  await mesh.untilPeer('cy', has(aKey('cy')));
  await mesh.untilPeer('ada', has(aKey('ada')));
}, 20_000);
