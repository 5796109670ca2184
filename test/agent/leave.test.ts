import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { clearNode, forgetNode, isWanted } from '../../src/agent/leave.ts';
import { leaseType, nodeType } from '../../src/api/core.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import type { Operation } from '../../src/dataplane/operation.ts';
import { nodeNames } from '../../src/mesh/node.ts';
import { NAMESPACE, SmallMesh } from '../support/small-mesh.ts';

let mesh: SmallMesh;
const PLACE = { gateway: 'default', node: 'node-a', namespace: NAMESPACE };

beforeEach(async () => {
  mesh = await SmallMesh.start();
  mesh.startOperator();
  await mesh.addGateway();
});

afterEach(() => mesh.stop());

describe('leaving a node', () => {
  test('takes off what a killed agent left, and then its report and its Lease', async () => {
    const node = await mesh.startNode('node-a');
    await mesh.addPeer('ada');
    await mesh.untilPeer(
      'ada',
      ({ status }) =>
        status?.conditions?.some(({ type, status }) => type === 'Programmed' && status === 'True') ?? false,
    );
    await node.stop();
    const operations: Operation[] = [];
    await clearNode(node.host, nodeNames('default'), (operation) => operations.push(operation));
    await forgetNode(mesh.client, PLACE);
    expect(node.host.state).toMatchObject({ device: undefined, routes: [] });
    expect(operations.length).toBeGreaterThan(0);
    expect(await mesh.client.get(meshGatewayNodeType, 'default.node-a', NAMESPACE)).toBeUndefined();
    expect(await mesh.client.get(leaseType, 'default.node-a', NAMESPACE)).toBeUndefined();
  });

  test('done twice, or after an agent that was ended before it had begun, is no error', async () => {
    const node = await mesh.startNode('node-a');
    await node.stop();
    for (const _ of [1, 2]) {
      await clearNode(node.host, nodeNames('default'), () => undefined);
      await forgetNode(mesh.client, PLACE);
    }
  });
});

test('an agent whose gateway is deleted tells that its node is clean as soon as the API server takes it', async () => {
  const node = await mesh.startNode('node-a');
  const report = () => mesh.client.get(meshGatewayNodeType, 'default.node-a', NAMESPACE);
  await expect.poll(report).toBeDefined();
  mesh.server.fault({ method: 'DELETE', path: 'meshgatewaynodes', times: 2, action: { kind: 'refuse', code: 503 } });
  await mesh.client.delete(meshGatewayType, { name: 'default' });
  await expect.poll(report, { timeout: 8_000 }).toBeUndefined();
  expect(node.host.state.device).toBeUndefined();
});

describe('a node is wanted', () => {
  test('while the gateway selects it', async () => {
    await mesh.startNode('node-a');
    expect(await isWanted(mesh.client, PLACE)).toBe(true);
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { nodeSelector: { edge: 'yes' } } });
    expect(await isWanted(mesh.client, PLACE)).toBe(false);
    await mesh.client.patch(nodeType, { name: 'node-a' }, { metadata: { labels: { edge: 'yes' } } });
    expect(await isWanted(mesh.client, PLACE)).toBe(true);
  });

  test('no longer once its Node object is gone', async () => {
    await mesh.startNode('node-a');
    await mesh.client.delete(nodeType, { name: 'node-a' });
    expect(await isWanted(mesh.client, PLACE)).toBe(false);
  });

  test('no longer once the gateway is gone', async () => {
    await mesh.startNode('node-a');
    expect(await isWanted(mesh.client, { ...PLACE, gateway: 'other' })).toBe(false);
  });
});
