import { afterEach, beforeEach, expect, test } from 'vitest';
import { isTrue } from '../../src/api/conditions.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import { tellEmptyList } from '../support/empty-list.ts';
import { SmallMesh } from '../support/small-mesh.ts';

const names = Array.from({ length: 12 }, (_, index) => `peer-${index}`);
let mesh: SmallMesh;

beforeEach(async () => {
  mesh = await SmallMesh.start();
  mesh.startOperator();
  await mesh.addGateway();
  for (const name of names) await mesh.addPeer(name);
});
afterEach(() => mesh.stop());

/** How many of the devices are accepted, asked of the API server itself. */
const accepted = async () => {
  const { items } = await mesh.client.list(meshPeerType);
  return items.filter(({ status }) => isTrue(status?.conditions ?? [], 'Accepted')).length;
};

test('the operator believes no list without devices before it has asked for single ones', async () => {
  const { server } = mesh;
  await expect.poll(accepted).toBe(names.length);
  const isAskedFor = () =>
    server.requests.some(({ method, path }) => method === 'GET' && /meshpeers\/peer-/.test(path));
  expect(isAskedFor()).toBe(false);
  tellEmptyList(server, '/meshpeers');
  await expect.poll(isAskedFor).toBe(true);
  expect(await accepted()).toBe(names.length);
});
