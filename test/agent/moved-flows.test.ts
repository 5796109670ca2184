import { isTrue } from '../../src/api/conditions.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { type MeshGatewayNode, meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { aKey } from '../support/builders.ts';
import { meshTest } from '../support/mesh-test.ts';
import { samplesOf } from '../support/metrics-page.ts';
import { NAMESPACE, type SmallMesh, type SmallNode } from '../support/small-mesh.ts';

const ADA = '198.51.100.7:40000' as Endpoint;
const BOB = '198.51.100.7:40001' as Endpoint;

const seconds = () => Math.floor(Date.now() / 1000);
const until = (mesh: SmallMesh, node: SmallNode, holds: (report: MeshGatewayNode) => boolean) =>
  mesh.until(meshGatewayNodeType, `${NAMESPACE}/default.${node.name}` as ObjectKey, holds);
const connects = (node: SmallNode, name: string, endpoint: Endpoint, latestHandshake = seconds()) =>
  node.host.handshake(aKey(name), { latestHandshake, endpoint });
const reports = (mesh: SmallMesh, node: SmallNode, name: string, endpoint: Endpoint) =>
  until(
    mesh,
    node,
    ({ status }) =>
      status?.connections?.some((seen) => seen.peer === `team-a/${name}` && seen.endpoint === endpoint) === true,
  );
/** A rule of the node tells of a packet. */
const tells = (node: SmallNode, from: Endpoint, chain = 'moved_flow') =>
  node.host.tell({ table: 'sallyport_default', chain, from });

/** What a node has done for devices that came to it: whom it called where, whose session it forgot, to whom it forgot what it had sent. */
function doneBy(node: SmallNode): readonly string[] {
  const nameOf = (key: string) => ['ada', 'bob'].find((name) => aKey(name) === key) ?? '';
  return node.host.applied.flatMap((step) => {
    if (step.kind === 'forget-calls') return [`forget ${step.endpoints.join()} ${step.ports.join()}`];
    if (step.kind !== 'set-peers') return [];
    return step.changes.flatMap((change) => {
      if (change.kind === 'remove') return [`anew ${nameOf(change.publicKey)}`];
      return change.kind === 'call' ? [`call ${nameOf(change.publicKey)} ${change.endpoint}`] : [];
    });
  });
}

/** What a node has done before it called anew who had not come. */
function firstOf(done: readonly string[]): readonly string[] {
  const anew = done.findIndex((what) => what.startsWith('anew '));
  return anew < 0 ? done : done.slice(0, anew);
}

/** Two nodes that serve, and ada on the first, each test's own; they wait much and compute little, so the tests run at once. */
const test = meshTest.extend<{ nodes: readonly [SmallNode, SmallNode] }>({
  nodes: async ({ mesh }, use) => {
    mesh.startOperator();
    await mesh.addGateway();
    const nodes = [await mesh.startNode('node-a'), await mesh.startNode('node-b')] as const;
    for (const name of ['ada', 'bob']) await mesh.addPeer(name);
    for (const name of ['ada', 'bob'])
      await mesh.untilPeer(name, ({ status }) => isTrue(status?.conditions ?? [], 'Programmed'));
    for (const node of nodes)
      await until(mesh, node, ({ status }) => isTrue(status?.conditions ?? [], 'ServicesReachable'));
    connects(nodes[0], 'ada', ADA);
    await reports(mesh, nodes[0], 'ada', ADA);
    await use(nodes);
  },
}).concurrent;

test('a device whose flow comes to another node is called by that one, once, while its former node lives', async ({
  mesh,
  nodes: [, two],
  expect,
}) => {
  tells(two, ADA);
  const atFirst = () => firstOf(doneBy(two));
  await expect.poll(atFirst).toEqual([`call ada ${ADA}`]);
  // Before its answer comes, some of its packets may. What is reported of another says that the node's peers were looked at since.
  for (let again = 0; again < 3; again += 1) tells(two, ADA);
  connects(two, 'bob', BOB);
  await reports(mesh, two, 'bob', BOB);
  expect(atFirst()).toEqual([`call ada ${ADA}`]);
  connects(two, 'ada', ADA, seconds() + 1);
  await reports(mesh, two, 'ada', ADA);
  expect(atFirst()).toEqual([`call ada ${ADA}`]);
  expect(mesh.happened.map(({ reason }) => reason)).not.toContain('DevicesTakenOver');
  const page = Object.fromEntries(samplesOf((await two.metrics.page()).text));
  expect(page['sallyport_agent_called_devices_total{cause="moved"}']).toBe(1);
});

test('a device that has not come a second later is called anew, once, and one that has come keeps its session', async ({
  mesh,
  nodes: [one, two],
  expect,
}) => {
  connects(one, 'bob', BOB);
  await reports(mesh, one, 'bob', BOB);
  for (const from of [ADA, BOB]) tells(two, from);
  await expect.poll(() => doneBy(two).length).toBe(2);
  connects(two, 'bob', BOB, seconds() + 1);
  const late = ['anew ada', `call ada ${ADA}`];
  await expect.poll(() => doneBy(two).slice(2), { timeout: 5_000 }).toEqual(late);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(doneBy(two).slice(2)).toEqual(late);
});

test('a device is called that is reported a moment after its flow has come', async ({
  mesh,
  nodes: [one, two],
  expect,
}) => {
  tells(two, BOB);
  connects(one, 'bob', BOB);
  await reports(mesh, one, 'bob', BOB);
  await expect.poll(() => doneBy(two)).toEqual([`call bob ${BOB}`]);
});

test('neither a flow of a stranger, nor one of the own device, nor what another chain tells is followed', async ({
  mesh,
  nodes: [one, two],
  expect,
}) => {
  tells(two, '192.0.2.99:1' as Endpoint);
  tells(one, ADA);
  tells(two, ADA, 'refuse');
  tells(two, BOB);
  connects(one, 'bob', BOB);
  await reports(mesh, one, 'bob', BOB);
  await expect.poll(() => doneBy(two)).toEqual([`call bob ${BOB}`]);
  expect(doneBy(one)).toEqual([]);
});

test('what a node has sent to a device before is forgotten first, and its next packet has it called', async ({
  mesh,
  nodes: [one, two],
  expect,
}) => {
  await one.stop();
  mesh.unplug(one.name);
  const done = () => doneBy(two).filter((what) => what !== 'call ada undefined');
  const blocked = [`call ada ${ADA}`, 'anew ada', `forget ${ADA} 51840`];
  await expect.poll(done).toEqual(blocked.slice(0, 1));
  tells(two, ADA);
  await expect.poll(done).toEqual(blocked);
  await expect
    .poll(() => {
      tells(two, ADA);
      return done();
    })
    .toEqual([...blocked, `call ada ${ADA}`]);
});

test('a device of a dead node whose flow comes is not called at its own address again: that would stand in the way of its packets', async ({
  mesh,
  nodes: [one, two],
  expect,
}) => {
  await one.stop();
  mesh.unplug(one.name);
  await expect.poll(() => doneBy(two).includes(`call ada ${ADA}`)).toBe(true);
  tells(two, ADA);
  const forgotten = () => doneBy(two).findIndex((done) => done.startsWith('forget '));
  await expect.poll(forgotten, { timeout: 5_000 }).toBeGreaterThan(0);
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(doneBy(two).slice(forgotten() + 1)).toEqual([]);
});

test('where takeover is turned off no rule tells of a flow, and nobody is called', async ({
  mesh,
  nodes: [one, two],
  expect,
}) => {
  await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { takeover: { enabled: false } } });
  const written = () => two.host.applied.filter(({ kind }) => kind === 'replace-table').at(-1);
  await expect.poll(() => JSON.stringify(written()).includes('moved_flow')).toBe(false);
  tells(two, ADA);
  connects(one, 'bob', BOB);
  await reports(mesh, one, 'bob', BOB);
  expect(doneBy(two)).toEqual([]);
});
