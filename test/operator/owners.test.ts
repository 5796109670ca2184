import { afterEach, beforeEach, expect, test } from 'vitest';
import { type DaemonSet, daemonSetType } from '../../src/api/core.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { NAMESPACE, SmallMesh } from '../support/small-mesh.ts';

/** What admission allows where OwnerReferencesPermissionEnforcement is on; the lab has it on. */

const CHILD = { name: 'sallyport-default', namespace: NAMESPACE };

let mesh: SmallMesh;

beforeEach(async () => {
  mesh = await SmallMesh.start();
  mesh.startOperator();
  await mesh.addGateway();
});

afterEach(() => mesh.stop());

const untilChild = (holds: (child: DaemonSet) => boolean) =>
  mesh.until(daemonSetType, `${NAMESPACE}/${CHILD.name}` as ObjectKey, holds);

test('what the operator makes goes with its gateway and does not keep that from going', async () => {
  const { metadata } = await untilChild(() => true);
  expect(metadata.ownerReferences).toEqual([
    expect.objectContaining({ kind: 'MeshGateway', name: 'default', controller: true }),
  ]);
  expect(metadata.ownerReferences?.[0]).not.toHaveProperty('blockOwnerDeletion');
});

test('what an earlier version made keeps its owner as it is, which the operator may not change', async () => {
  const { metadata } = await untilChild(() => true);
  const blocking = metadata.ownerReferences?.map((owner) => ({ ...owner, blockOwnerDeletion: true }));
  await mesh.client.patch(daemonSetType, CHILD, { metadata: { ownerReferences: blocking } });
  await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { nodeSelector: { edge: 'yes' } } });
  const changed = await untilChild((child) => child.metadata.generation !== metadata.generation);
  expect(changed.metadata.ownerReferences).toEqual(blocking);
});
