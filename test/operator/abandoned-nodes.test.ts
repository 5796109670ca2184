import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { isTrue } from '../../src/api/conditions.ts';
import { jobType, leaseType, nodeType } from '../../src/api/core.ts';
import { type MeshGateway, meshGatewayType } from '../../src/api/meshgateway.ts';
import { meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { NAMESPACE, SmallMesh, type SmallNode } from '../support/small-mesh.ts';

let mesh: SmallMesh;
let nodes: readonly SmallNode[];

const DEFAULT = 'default' as ObjectKey;
const REPORT = { name: 'default.node-b', namespace: NAMESPACE };
const isReady = ({ status }: MeshGateway) => isTrue(status?.conditions ?? [], 'Ready');
const jobs = async () => (await mesh.client.list(jobType, { namespace: NAMESPACE })).items;
const reportOf = (name: string) => mesh.client.get(meshGatewayNodeType, `default.${name}`, NAMESPACE);

/** What a kill leaves: the kernel, the report, and a Lease that runs out. */
async function kill(node: SmallNode | undefined): Promise<void> {
  await node?.stop();
  await mesh.client.delete(leaseType, { name: `default.${node?.name}`, namespace: NAMESPACE });
}

const select = (nodeSelector: object) =>
  mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { nodeSelector } });

/** Resolves once the operator has decided about the gateway as it is now. */
async function untilDecided(): Promise<void> {
  const { metadata } = (await mesh.client.get(meshGatewayType, 'default')) ?? {};
  await mesh.until(
    meshGatewayType,
    DEFAULT,
    ({ status }) => status?.observedGeneration === metadata?.generation && isReady({ status } as MeshGateway),
  );
}

beforeEach(async () => {
  mesh = await SmallMesh.start();
  mesh.startOperator();
  await mesh.addGateway();
  nodes = [await mesh.startNode('node-a'), await mesh.startNode('node-b')];
  await mesh.client.patch(nodeType, { name: 'node-a' }, { metadata: { labels: { edge: 'yes' } } });
  await mesh.until(meshGatewayType, DEFAULT, (gateway) => isReady(gateway) && gateway.status?.nodes?.ready === 2);
});

afterEach(() => mesh.stop());

describe('a node that a gateway no longer selects', () => {
  test('is cleaned by a Job where its agent died before, and the gateway says so', async () => {
    await kill(nodes[1]);
    await select({ edge: 'yes' });
    await expect.poll(jobs, { interval: 5, timeout: 8_000 }).toHaveLength(1);
    const [job] = await jobs();
    const report = await reportOf('node-b');
    expect(job?.metadata.ownerReferences).toEqual([expect.objectContaining({ uid: report?.metadata.uid })]);
    expect(mesh.happened).toContainEqual(
      expect.objectContaining({
        type: 'Warning',
        reason: 'NodeAbandoned',
        note: expect.stringMatching(
          /^Node node-b no longer serves this gateway, and its agent ended without cleaning up/,
        ),
      }),
    );
  });

  test('gets one Job and one Event, however often the operator looks', async () => {
    await kill(nodes[1]);
    await select({ edge: 'yes' });
    await expect.poll(jobs, { interval: 5, timeout: 8_000 }).toHaveLength(1);
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { mtu: 1380 } });
    await untilDecided();
    expect(await jobs()).toHaveLength(1);
    expect(mesh.happened.filter(({ reason }) => reason === 'NodeAbandoned')).toHaveLength(1);
  });

  test('is left to its agent while that one lives', async () => {
    await select({ edge: 'yes' });
    await untilDecided();
    expect(await jobs()).toEqual([]);
    await kill(nodes[1]);
    await expect.poll(jobs, { interval: 5, timeout: 8_000 }).toHaveLength(1);
  });

  test('is forgotten where it is no longer part of the cluster', async () => {
    await kill(nodes[1]);
    await mesh.client.delete(nodeType, { name: 'node-b' });
    await expect.poll(() => reportOf('node-b'), { interval: 5, timeout: 8_000 }).toBeUndefined();
    expect(await reportOf('node-a')).toBeDefined();
    expect(await jobs()).toEqual([]);
  });
});

test('a node that is selected and whose agent is dead is not cleaned: its kernel serves on', async () => {
  await kill(nodes[1]);
  await mesh.until(meshGatewayType, DEFAULT, ({ status }) => status?.nodes?.ready === 1);
  await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { mtu: 1380 } });
  await untilDecided();
  expect(await jobs()).toEqual([]);
  expect(await mesh.client.get(meshGatewayNodeType, REPORT.name, REPORT.namespace)).toBeDefined();
});
