import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findCondition, isTrue } from '../../src/api/conditions.ts';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import { timestamp } from '../../src/api/timestamp.ts';
import { sweepExpired } from '../../src/operator/expired-peers.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { SmallMesh } from '../support/small-mesh.ts';

const ADA = { name: 'ada', namespace: 'team-a' };

let mesh: SmallMesh;

beforeEach(async () => {
  mesh = await SmallMesh.start();
  await mesh.addGateway();
});

afterEach(() => mesh.stop());

const reasonOf = (peer: MeshPeer) => findCondition(peer.status?.conditions ?? [], 'Accepted')?.reason;
const ada = () => mesh.client.get(meshPeerType, ADA.name, ADA.namespace);
const untilGone = () =>
  mesh.server.until(
    () =>
      !mesh.server
        .collection(meshPeerType)
        .list()
        .some((one) => nameOf(one) === 'ada'),
  );
const nameOf = (object: unknown) => (object as { readonly metadata: { readonly name: string } }).metadata.name;
const told = () => mesh.happened.filter(({ reason }) => reason === 'ExpiredPeerDeleted');

describe('a peer that has expired', () => {
  test('is out at once, and deleted when its grace time is over, which an Event tells', async () => {
    mesh.startOperator('expiredPeers: {deleteAfter: 1s}');
    // Whole seconds: at least two for the operator to let it in.
    const expiresAt = timestamp(Date.now() + 3_000);
    await mesh.addPeer('ada', { expiresAt });
    await mesh.untilPeer('ada', (peer) => isTrue(peer.status?.conditions ?? [], 'Accepted'));
    await mesh.untilPeer('ada', (peer) => reasonOf(peer) === 'Expired');
    await untilGone();
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt) + 1_000);
    // The operator hears of its deletion after whoever looks may see it.
    await expect.poll(told).toMatchObject([{ type: 'Normal', regarding: { metadata: ADA } }]);
    expect(told()[0]?.note).toContain(expiresAt);
  });

  test('is deleted as well when it was suspended', async () => {
    mesh.startOperator('expiredPeers: {deleteAfter: 0s}');
    await mesh.addPeer('ada', { expiresAt: '2020-01-01T00:00:00Z', suspended: true });
    await untilGone();
  });

  test('stays for its grace time, and by default for a day', async () => {
    mesh.startOperator();
    await mesh.addPeer('ada', { expiresAt: timestamp(Date.now() - 3_600_000) });
    await mesh.untilPeer('ada', (peer) => reasonOf(peer) === 'Expired');
    await mesh.addPeer('bob');
    await mesh.untilPeer('bob', (peer) => isTrue(peer.status?.conditions ?? [], 'Accepted'));
    expect(await ada()).toBeDefined();
  });

  test('stays for good where nobody is to be deleted', async () => {
    mesh.startOperator('expiredPeers: {deleteAfter: never}');
    await mesh.addPeer('ada', { expiresAt: '2020-01-01T00:00:00Z' });
    await mesh.untilPeer('ada', (peer) => reasonOf(peer) === 'Expired');
    await mesh.addPeer('bob');
    await mesh.untilPeer('bob', (peer) => isTrue(peer.status?.conditions ?? [], 'Accepted'));
    expect(await ada()).toBeDefined();
  });

  test('is let in again when it gets a later time within its grace time', async () => {
    mesh.startOperator('expiredPeers: {deleteAfter: 2s}');
    await mesh.addPeer('ada', { expiresAt: '2020-01-01T00:00:00Z' });
    await mesh.untilPeer('ada', (peer) => reasonOf(peer) === 'Expired');
    await mesh.client.patch(meshPeerType, ADA, { spec: { expiresAt: '2099-01-01T00:00:00Z' } });
    await mesh.untilPeer('ada', (peer) => isTrue(peer.status?.conditions ?? [], 'Accepted'));
    expect(told()).toEqual([]);
  });

  test.each([
    ['was given a later time in the same moment', { spec: { expiresAt: '2099-01-01T00:00:00Z' } }],
    ['was changed in any other way', { metadata: { labels: { team: 'a' } } }],
  ])('stays when it %s', async (_how, change) => {
    const seen = await mesh.addPeer('ada', { expiresAt: '2020-01-01T00:00:00Z' });
    await mesh.client.patch(meshPeerType, ADA, change);
    const outcome = await sweepExpired(seen, context());
    expect(outcome.kind).toBe('waiting');
    expect(await ada()).toBeDefined();
    expect(told()).toEqual([]);
  });

  test('is not mistaken for another one of its name', async () => {
    const seen = await mesh.addPeer('ada', { expiresAt: '2020-01-01T00:00:00Z' });
    await mesh.client.delete(meshPeerType, ADA);
    await mesh.addPeer('ada');
    await sweepExpired(seen, context());
    expect(await ada()).toBeDefined();
  });

  test('that somebody else has deleted is not told of', async () => {
    const seen = await mesh.addPeer('ada', { expiresAt: '2020-01-01T00:00:00Z' });
    await mesh.client.delete(meshPeerType, ADA);
    expect(await sweepExpired(seen, context())).toEqual({ kind: 'settled' });
    expect(told()).toEqual([]);
  });
});

function context() {
  const events = {
    record: (happening: SmallMesh['happened'][number]) => void mesh.happened.push(happening),
    flush: async () => undefined,
  };
  return { client: mesh.client, events, clock: systemClock, config: { expiredPeers: { deleteAfter: 0 } } };
}
