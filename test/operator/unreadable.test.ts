import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findCondition } from '../../src/api/conditions.ts';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import type { KubernetesObject, ObjectKey, ResourceType } from '../../src/api/resource.ts';
import { aKey } from '../support/builders.ts';
import { SmallMesh } from '../support/small-mesh.ts';

/** MeshPeers as they are stored, readable or not. */
const stored: ResourceType<KubernetesObject & { readonly status?: MeshPeer['status'] }> = {
  ...meshPeerType,
  parse: (raw) => raw as never,
};

let mesh: SmallMesh;

beforeEach(async () => {
  mesh = await SmallMesh.start();
  mesh.startOperator();
  await mesh.addGateway();
});

afterEach(() => mesh.stop());

const accepted = ({ status }: { readonly status?: MeshPeer['status'] }) =>
  findCondition(status?.conditions ?? [], 'Accepted');

function untilStored(name: string, reason: string) {
  return mesh.until(stored, `team-a/${name}` as ObjectKey, (peer) => accepted(peer)?.reason === reason);
}

describe('a MeshPeer that nobody can read', () => {
  test('is told what is wrong with it, once, and disturbs nobody', async () => {
    await mesh.client.create(stored, {
      metadata: { name: 'odd', namespace: 'team-a' },
      ...{ spec: { publicKey: 5, persistentKeepalive: 99999 } },
    });
    await mesh.addPeer('ada');
    const odd = await untilStored('odd', 'InvalidSpec');
    expect(accepted(odd)?.message).toMatch(/spec\.publicKey: .*; spec\.persistentKeepalive: .*\.$/);
    expect(accepted(await untilStored('ada', 'Accepted'))?.status).toBe('True');
    await mesh.addPeer('eve');
    await untilStored('eve', 'Accepted');
    const told = mesh.happened.filter(({ regarding }) => regarding.metadata.name === 'odd');
    expect(told).toMatchObject([{ type: 'Warning', reason: 'InvalidSpec' }]);
    const writes = mesh.server.seen('/meshpeers/odd/status', 'PATCH');
    expect(writes).toHaveLength(1);
  });

  test('is let in once it is mended, and told again when it breaks again', async () => {
    const metadata = { name: 'odd', namespace: 'team-a' };
    const broken = { spec: { publicKey: 5 } };
    await mesh.client.create(stored, { metadata, ...broken });
    await untilStored('odd', 'InvalidSpec');
    await mesh.client.patch(stored, metadata, { spec: { publicKey: aKey('odd') } });
    await untilStored('odd', 'Accepted');
    await mesh.client.patch(stored, metadata, broken);
    await untilStored('odd', 'InvalidSpec');
  });

  test('a status that cannot be read is written anew', async () => {
    await mesh.addPeer('ada');
    await untilStored('ada', 'Accepted');
    // The operator writes no connections here, so an apply alone would leave them.
    const garbage = { addresses: 'none', conditions: 'fine', connections: 7 };
    const target = { name: 'ada', namespace: 'team-a' };
    await mesh.client.patch(stored, target, { status: garbage }, { subresource: 'status' });
    const status = async () => (await mesh.client.get(stored, target.name, target.namespace))?.status;
    const good = { addresses: [expect.stringMatching(/^10\.213\./)], conditions: { length: 3 } };
    await expect.poll(status, { timeout: 5_000 }).toMatchObject(good);
    expect(await status()).not.toHaveProperty('connections');
  });
});
