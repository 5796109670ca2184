import { afterEach, beforeEach, expect, test } from 'vitest';
import { findCondition, isTrue } from '../../src/api/conditions.ts';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import { SmallMesh } from '../support/small-mesh.ts';

let mesh: SmallMesh;

beforeEach(async () => {
  mesh = await SmallMesh.start();
  await mesh.addGateway();
});

afterEach(() => mesh.stop());

const acceptance = (peer: MeshPeer) => findCondition(peer.status?.conditions ?? [], 'Accepted');

test('an owner’s device beyond the quota is refused with what to do, and let in once an older one is deleted', async () => {
  mesh.startOperator('quotas: {peersPerOwner: 1}');
  await mesh.addPeer('ada', { owner: 'ada' });
  await mesh.untilPeer('ada', (peer) => isTrue(peer.status?.conditions ?? [], 'Accepted'));
  await mesh.addPeer('ada-two', { owner: 'ada' });
  const refused = await mesh.untilPeer('ada-two', (peer) => acceptance(peer)?.status === 'False');
  expect(acceptance(refused)).toMatchObject({
    reason: 'OwnerQuota',
    message: expect.stringMatching(/1 older MeshPeers \(team-a\/ada\), and one owner may have 1; delete one/),
  });
  await mesh.client.delete(meshPeerType, { namespace: 'team-a', name: 'ada' });
  await mesh.untilPeer('ada-two', (peer) => isTrue(peer.status?.conditions ?? [], 'Accepted'));
});
