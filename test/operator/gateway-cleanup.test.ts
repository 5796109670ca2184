import { afterEach, beforeEach, expect, test } from 'vitest';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { NAMESPACE, SmallMesh } from '../support/small-mesh.ts';

let mesh: SmallMesh;

beforeEach(async () => {
  mesh = await SmallMesh.start();
  mesh.startOperator();
  await mesh.addGateway();
  await mesh.startNode('node-a');
  await expect.poll(async () => (await mesh.client.get(meshGatewayType, 'default'))?.status?.nodes?.ready).toBe(1);
});
afterEach(() => mesh.stop());

const isGone = async () => (await mesh.client.get(meshGatewayType, 'default')) === undefined;
const givenUp = () => mesh.happened.filter(({ reason }) => reason === 'NodesGivenUp').map(({ note }) => note);

test('a node whose Lease is seen to go before its report is no node that did not clean up', async () => {
  const { server } = mesh;
  server.fault({ path: '/meshgatewaynodes', when: 'watch', action: { kind: 'stall' } });
  server.finishWatches('cut');
  await mesh.client.delete(meshGatewayType, { name: 'default' });
  await expect.poll(isGone).toBe(true);
  expect(givenUp()).toEqual([]);
  expect(await mesh.client.get(meshGatewayNodeType, 'default.node-a', NAMESPACE)).toBeUndefined();
});
