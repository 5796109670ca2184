import { findCondition, isTrue } from '../../src/api/conditions.ts';
import { nodeType } from '../../src/api/core.ts';
import { meshGatewayType } from '../../src/api/meshgateway.ts';
import { type MeshGatewayNode, meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { meshPeerType } from '../../src/api/meshpeer.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import type { PeerChange } from '../../src/dataplane/wireguard/peer-change.ts';
import { AT_ONCE } from '../../src/mesh/contest.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { type Clock, systemClock } from '../../src/runtime/clock.ts';
import { aKey } from '../support/builders.ts';
import { meshTest } from '../support/mesh-test.ts';
import { samplesOf } from '../support/metrics-page.ts';
import { NAMESPACE, type SmallMesh, type SmallNode } from '../support/small-mesh.ts';

/** So much faster a hurried clock goes. */
const HASTE = 10;
const DEVICES = ['ada', 'bob', 'cy', 'dan', 'eve', 'fay'];
const ENDPOINTS = new Map(DEVICES.map((name, index) => [name, `198.51.100.7:4000${index}` as Endpoint]));

const seconds = () => Math.floor(Date.now() / 1000);
const reportOf = (node: SmallNode) => `${NAMESPACE}/default.${node.name}` as ObjectKey;
const until = (mesh: SmallMesh, node: SmallNode, holds: (report: MeshGatewayNode) => boolean) =>
  mesh.until(meshGatewayNodeType, reportOf(node), holds);
const connects = (node: SmallNode, name: string, latestHandshake = seconds()) =>
  node.host.handshake(aKey(name), { latestHandshake, endpoint: ENDPOINTS.get(name) as Endpoint });
const reports = (mesh: SmallMesh, node: SmallNode, name: string) =>
  until(mesh, node, ({ status }) => status?.connections?.some(({ peer }) => peer === `team-a/${name}`) === true);

const untilServices = (mesh: SmallMesh, node: SmallNode, reached: 'True' | 'False') =>
  until(mesh, node, ({ status }) => findCondition(status?.conditions ?? [], 'ServicesReachable')?.status === reached);

/** What a node has done to the peers of its interface, one change after the other. */
function changesOn(node: SmallNode): readonly PeerChange[] {
  return node.host.applied.flatMap((step) => (step.kind === 'set-peers' ? step.changes : []));
}

/** Whom a node has called, and where. Nobody answers here, so each is called anew. */
function calledBy(node: SmallNode): readonly string[] {
  return [...new Set(callsOf(node))];
}

/** Each call that says where a device is. */
function callsOf(node: SmallNode): readonly string[] {
  const calls = changesOn(node).flatMap((change) => (change.kind === 'call' && change.endpoint ? [change] : []));
  return calls.map(({ publicKey, endpoint }) => {
    const name = DEVICES.find((device) => aKey(device) === publicKey) ?? '';
    return `${name} ${endpoint}`;
  });
}

/** How many devices nodes have called for a reason, whom they had to call anew once. */
async function calledTotal(nodes: readonly SmallNode[], cause: string): Promise<number> {
  const sample = `sallyport_agent_called_devices_total{cause="${cause}"}`;
  const pages = await Promise.all(nodes.map(({ metrics }) => metrics.page()));
  return pages.reduce((sum, { text }) => sum + (Object.fromEntries(samplesOf(text))[sample] ?? 0), 0);
}

const all = (names: readonly string[]) => names.map((name) => `${name} ${ENDPOINTS.get(name)}`);

/** Three nodes that serve, each test's own; they wait much and compute little, so the tests run at once. */
const test = meshTest.extend<{ nodes: readonly [SmallNode, SmallNode, SmallNode] }>({
  nodes: async ({ mesh }, use) => {
    mesh.startOperator();
    await mesh.addGateway();
    const nodes = [
      await mesh.startNode('node-a'),
      await mesh.startNode('node-b'),
      await mesh.startNode('node-c'),
    ] as const;
    for (const name of DEVICES) await mesh.addPeer(name);
    for (const name of DEVICES)
      await mesh.untilPeer(name, ({ status }) => isTrue(status?.conditions ?? [], 'Programmed'));
    for (const node of nodes)
      await until(
        mesh,
        node,
        ({ status }) => isTrue(status?.conditions ?? [], 'ServicesReachable') && status?.liveness !== undefined,
      );
    await use([...nodes]);
  },
}).concurrent;

/** The node is off: it answers nobody, and writes nothing any more. */
async function dies(mesh: SmallMesh, node: SmallNode): Promise<void> {
  await node.stop();
  mesh.unplug(node.name);
}

test('the devices of a node that dies are called by the others, each by one and where it was last, and again in case it was drawn back', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [dying, ...others] = nodes;
  for (const name of DEVICES) connects(dying, name);
  for (const name of DEVICES) await reports(mesh, dying, name);
  await dies(mesh, dying);
  const called = () => others.flatMap(calledBy).sort();
  await expect.poll(called).toEqual(all(DEVICES));
  expect(others.every((node) => calledBy(node).length > 0)).toBe(true);
  const again = () => others.flatMap(changesOn).filter((change) => change.kind === 'call' && !change.endpoint).length;
  // Thrice, but where the machine stood still for a second.
  await expect.poll(again, { timeout: 4_000 }).toBeGreaterThanOrEqual(DEVICES.length);
  expect(called()).toEqual(all(DEVICES));
  expect(await calledTotal(others, 'dead')).toBe(DEVICES.length);
  expect(mesh.happened.filter(({ reason }) => reason === 'DevicesTakenOver')).toHaveLength(2);
});

test('a node that no other reaches, but whose agent lives, keeps its devices', async ({ mesh, nodes, expect }) => {
  const [cut, ...others] = nodes;
  for (const name of DEVICES) connects(cut, name);
  for (const name of DEVICES) await reports(mesh, cut, name);
  mesh.unplug(cut.name);
  for (const node of others)
    await until(
      mesh,
      node,
      ({ status }) => status?.liveness?.unreachable.some((one) => one.node === cut.name) === true,
    );
  await until(mesh, cut, ({ status }) => (status?.liveness?.answered ?? 0) >= 2);
  await new Promise((resolve) => setTimeout(resolve, 600));
  expect(nodes.flatMap(calledBy)).toEqual([]);
});

test('a device that has gone to another node by itself is not called', async ({ mesh, nodes, expect }) => {
  const [dying, second, third] = nodes;
  for (const name of DEVICES) connects(dying, name, seconds() - 100);
  for (const name of DEVICES) await reports(mesh, dying, name);
  connects(second, 'ada');
  connects(third, 'bob');
  await reports(mesh, second, 'ada');
  await reports(mesh, third, 'bob');
  await dies(mesh, dying);
  await expect.poll(() => [second, third].flatMap(calledBy).sort()).toEqual(all(['cy', 'dan', 'eve', 'fay']));
});

test('a device that came to another node is let go by the one that hears no more from it, and not by the one that does', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [first, second] = nodes;
  connects(first, 'ada', seconds() - 60);
  await reports(mesh, first, 'ada');
  connects(second, 'ada');
  await reports(mesh, second, 'ada');
  const anew = (node: SmallNode) =>
    changesOn(node).filter(({ kind, publicKey }) => kind === 'remove' && publicKey === aKey('ada'));
  await expect.poll(() => anew(first).length, { timeout: 5_000 }).toBe(1);
  expect(first.host.state.device?.peers.get(aKey('ada'))?.allowedIPs).toHaveLength(1);
  expect(anew(second)).toEqual([]);
});

test('the devices of a node that is cordoned are called by the others, those with open connections when these have had their time', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [leaving, ...others] = nodes;
  await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { takeover: { drain: '6s' } } });
  for (const name of ['ada', 'bob']) connects(leaving, name);
  for (const name of ['ada', 'bob']) await reports(mesh, leaving, name);
  const { status } = await mesh.untilPeer('bob', (peer) => peer.status?.addresses !== undefined);
  const busy = { entries: 1, open: 1, established: 1 };
  leaving.host.tracked = new Map([[status?.addresses?.[0] as IpAddress, busy]]);
  const cordoned = performance.now();
  await mesh.client.patch(nodeType, { name: leaving.name }, { spec: { unschedulable: true } });
  const called = () => others.flatMap(calledBy).sort();
  await expect.poll(called, { timeout: 5_000 }).toEqual(all(['ada']));
  await expect.poll(called, { timeout: 15_000 }).toEqual(all(['ada', 'bob']));
  expect(performance.now() - cordoned).toBeGreaterThan(6_000);
  const [entry] = (await mesh.client.get(meshGatewayType, 'default'))?.status?.leavingNodes ?? [];
  expect(entry).toMatchObject({ node: leaving.name, reason: 'it is cordoned' });
});

test('a device that a node has let go, and that is back there, is called when that node lets it go again', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [leaving, second, third] = nodes;
  const cordon = (unschedulable: boolean) =>
    mesh.client.patch(nodeType, { name: leaving.name }, { spec: { unschedulable } });
  const called = () => [second, third].flatMap(calledBy);
  connects(leaving, 'ada');
  await reports(mesh, leaving, 'ada');
  await cordon(true);
  await expect.poll(called, { timeout: 5_000 }).toEqual(all(['ada']));
  // Before anybody reports that it has come elsewhere.
  connects(leaving, 'ada', seconds() - 600);
  await until(mesh, leaving, ({ status }) => (status?.connections ?? []).length === 0);
  await cordon(false);
  await mesh.until(meshGatewayType, 'default' as ObjectKey, ({ status }) => status?.leavingNodes === undefined);
  connects(leaving, 'ada');
  await reports(mesh, leaving, 'ada');
  await cordon(true);
  await expect.poll(() => calledTotal([second, third], 'released'), { timeout: 5_000 }).toBe(2);
});

test('a device that came is called once more when its former node has let it go, which may have drawn it back before', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [leaving, ...others] = nodes;
  connects(leaving, 'ada');
  await reports(mesh, leaving, 'ada');
  await mesh.client.patch(nodeType, { name: leaving.name }, { spec: { unschedulable: true } });
  await expect.poll(() => others.flatMap(calledBy), { timeout: 5_000, interval: 20 }).toEqual(all(['ada']));
  const caller = others.find((node) => calledBy(node).length > 0) as SmallNode;
  connects(caller, 'ada', seconds() + 1);
  const again = () => changesOn(caller).filter((change) => change.kind === 'call' && !change.endpoint).length;
  let lastCall = 0;
  let known = again();
  const watching = setInterval(() => {
    if (again() > known) lastCall = performance.now();
    known = again();
  }, 5);
  try {
    await until(mesh, leaving, ({ status }) => (status?.connections ?? []).length === 0);
    const letGo = performance.now();
    await expect.poll(() => lastCall, { timeout: 3_000 }).toBeGreaterThan(letGo - 50);
  } finally {
    clearInterval(watching);
  }
});

test('who has not come a second after the call is called as if for the first time, and who has come keeps the session', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [dying, ...others] = nodes;
  for (const name of DEVICES) connects(dying, name);
  for (const name of DEVICES) await reports(mesh, dying, name);
  const [came, ...late] = DEVICES;
  await dies(mesh, dying);
  await expect.poll(() => others.flatMap(calledBy).sort(), { interval: 20 }).toEqual(all(DEVICES));
  for (const node of others) if (calledBy(node).some((call) => call.startsWith(`${came} `))) connects(node, `${came}`);
  const anew = () =>
    others.flatMap((node) => callsOf(node).filter((call, index, calls) => calls.indexOf(call) < index));
  await expect.poll(() => [...new Set(anew())].sort(), { timeout: 5_000 }).toEqual(all(late));
  const taken = others.flatMap(changesOn).filter(({ kind }) => kind === 'remove');
  expect(new Set(taken.map(({ publicKey }) => publicKey))).toEqual(new Set(late.map((name) => aKey(name))));
});

test('a device that was let go and called in vain is called anew as soon as its former node is dead', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [leaving, ...others] = nodes;
  connects(leaving, 'ada');
  await reports(mesh, leaving, 'ada');
  await mesh.client.patch(nodeType, { name: leaving.name }, { spec: { unschedulable: true } });
  // At once, and a second and two after that; then it is with its former node for as long as that lives.
  await expect.poll(() => others.flatMap(callsOf), { timeout: 8_000 }).toEqual(all(['ada', 'ada', 'ada']));
  await dies(mesh, leaving);
  await expect.poll(() => others.flatMap(callsOf).length, { timeout: 5_000 }).toBeGreaterThan(3);
  expect(others.flatMap(calledBy)).toEqual(all(['ada']));
  expect(await calledTotal(others, 'dead')).toBe(0);
});

test('a node whose Node object is deleted while it goes on lets its devices go', async ({ mesh, nodes, expect }) => {
  const [gone, second, third] = nodes;
  connects(gone, 'ada');
  await reports(mesh, gone, 'ada');
  await mesh.client.delete(nodeType, { name: gone.name });
  await expect.poll(() => [second, third].flatMap(calledBy), { timeout: 5_000 }).toEqual(all(['ada']));
  const { status } = (await mesh.client.get(meshGatewayType, 'default')) ?? {};
  expect(status?.leavingNodes).toMatchObject([{ node: gone.name, reason: 'its Node object is gone' }]);
});

test('a node that shuts down lets its devices go before', async ({ mesh, nodes, expect }) => {
  const [ending, second, third] = nodes;
  connects(ending, 'ada');
  await reports(mesh, ending, 'ada');
  const ready = { type: 'Ready', status: 'False', reason: 'KubeletNotReady', message: 'node is shutting down' };
  await mesh.client.applyStatus(nodeType, { name: ending.name }, { conditions: [ready] }, { fieldManager: 'kubelet' });
  await expect.poll(() => [second, third].flatMap(calledBy), { timeout: 5_000 }).toEqual(all(['ada']));
  const { status } = (await mesh.client.get(meshGatewayType, 'default')) ?? {};
  expect(status?.leavingNodes).toMatchObject([{ node: ending.name, reason: 'it is shutting down' }]);
});

test('an agent that ends lets its devices go where its node is to be cleaned then, and not where the kernel goes on', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [ending, ...others] = nodes;
  connects(ending, 'ada');
  await reports(mesh, ending, 'ada');
  await ending.letGo(false);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(others.flatMap(calledBy)).toEqual([]);
  await ending.letGo(true);
  expect(others.flatMap(calledBy)).toEqual(all(['ada']));
});

test('an agent that ends lets all of its devices go to the others where wireguard-go ends with it', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [ending, ...others] = nodes;
  await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { dataplane: 'Userspace' } });
  await until(mesh, ending, ({ status }) => status?.dataplane === 'Userspace');
  const isThere = (name: string) => ending.host.state.device?.peers.has(aKey(name));
  await expect.poll(() => DEVICES.every(isThere), { timeout: 5_000 }).toBe(true);
  for (const name of DEVICES) connects(ending, name);
  for (const name of DEVICES) await reports(mesh, ending, name);
  await ending.letGo(false);
  expect(others.flatMap(calledBy).sort()).toEqual(all(DEVICES));
}, 15_000);

test('an agent that ends and its data plane with it waits for connections that are open, as long as they may go on', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [ending, ...others] = nodes;
  for (const name of ['ada', 'bob']) connects(ending, name);
  for (const name of ['ada', 'bob']) await reports(mesh, ending, name);
  const { status } = await mesh.untilPeer('ada', (peer) => peer.status?.addresses !== undefined);
  ending.host.tracked = new Map([[status?.addresses?.[0] as IpAddress, { entries: 1, open: 1, established: 1 }]]);
  let hasLetGo = false;
  const lettingGo = ending.letGo(true).then(() => {
    hasLetGo = true;
  });
  await expect.poll(() => others.flatMap(calledBy)).toEqual(all(['bob']));
  for (const node of others) if (calledBy(node).length > 0) connects(node, 'bob');
  await new Promise((resolve) => setTimeout(resolve, 5_000));
  expect(hasLetGo).toBe(false);
  expect(others.flatMap(calledBy)).not.toContainEqual(all(['ada'])[0]);
  ending.host.tracked = new Map();
  await expect.poll(() => others.flatMap(calledBy), { timeout: 5_000 }).toContainEqual(all(['ada'])[0]);
  await lettingGo;
}, 20_000);

test('an agent that ends waits for nobody any more once its gateway is deleted', async ({ mesh, nodes, expect }) => {
  const [ending] = nodes;
  connects(ending, 'ada');
  await reports(mesh, ending, 'ada');
  const { status } = await mesh.untilPeer('ada', (peer) => peer.status?.addresses !== undefined);
  ending.host.tracked = new Map([[status?.addresses?.[0] as IpAddress, { entries: 1, open: 1, established: 1 }]]);
  let hasLetGo = false;
  const lettingGo = ending.letGo(true).then(() => {
    hasLetGo = true;
  });
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(hasLetGo).toBe(false);
  await mesh.client.delete(meshGatewayType, { name: 'default' });
  await expect.poll(() => hasLetGo, { timeout: 3_000 }).toBe(true);
  await lettingGo;
}, 20_000);

test('where all nodes are about to go, nobody is called', async ({ mesh, nodes, expect }) => {
  const [first, ...others] = nodes;
  for (const { name } of others) await mesh.client.patch(nodeType, { name }, { spec: { unschedulable: true } });
  connects(first, 'ada');
  await reports(mesh, first, 'ada');
  await mesh.client.patch(nodeType, { name: first.name }, { spec: { unschedulable: true } });
  const gateway = await mesh.until(
    meshGatewayType,
    'default' as ObjectKey,
    (one) => one.status?.leavingNodes?.length === 3,
  );
  expect(gateway.status?.leavingNodes?.map(({ node }) => node)).toEqual(nodes.map(({ name }) => name));
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  expect(nodes.flatMap(calledBy)).toEqual([]);
});

test('where no node reaches Services, the devices of one that dies are called nevertheless, and those of one that lives are not', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [dying, ...others] = nodes;
  connects(dying, 'ada');
  connects(others[0], 'bob');
  await reports(mesh, dying, 'ada');
  await reports(mesh, others[0], 'bob');
  for (const { name } of nodes) mesh.withoutServices.add(name);
  for (const node of nodes) await untilServices(mesh, node, 'False');
  await dies(mesh, dying);
  await expect.poll(() => others.flatMap(calledBy)).toEqual(all(['ada']));
});

test('a node that has reached no Services for a moment takes nobody over soon after, and knows that itself', async ({
  mesh,
  nodes: [dying, other, unwell],
  expect,
}) => {
  mesh.withoutServices.add(unwell.name);
  await untilServices(mesh, unwell, 'False');
  mesh.withoutServices.delete(unwell.name);
  await untilServices(mesh, unwell, 'True');
  for (const name of DEVICES) connects(dying, name);
  for (const name of DEVICES) await reports(mesh, dying, name);
  await dies(mesh, dying);
  await expect.poll(() => calledBy(other).toSorted()).toEqual(all(DEVICES));
  expect(calledBy(unwell)).toEqual([]);
});

test('its report says so for a minute after that, also where its agent has begun anew meanwhile', async ({
  mesh,
  nodes,
  expect,
}) => {
  const clock: Clock = {
    ...systemClock,
    monotonic: () => systemClock.monotonic() * HASTE,
    timer: (ms, act) => systemClock.timer(ms / HASTE, act),
  };
  const node = await mesh.startNode('node-d', undefined, clock);
  await untilServices(mesh, node, 'True');
  expect(nodes.map(({ name }) => name)).not.toContain(node.name);
  mesh.withoutServices.add(node.name);
  await until(mesh, node, ({ status }) => status?.liveness?.recovering === true);
  await node.stop();
  mesh.withoutServices.delete(node.name);
  await mesh.startNode(node.name, node.host, clock);
  const back = await untilServices(mesh, node, 'True');
  expect(back.status?.liveness?.recovering).toBe(true);
  await until(mesh, node, ({ status }) => status?.liveness !== undefined && status.liveness.recovering === undefined);
});

test('a gateway that asks for no takeover has none', async ({ mesh, nodes, expect }) => {
  const [dying] = nodes;
  await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { takeover: { enabled: false } } });
  connects(dying, 'ada');
  await reports(mesh, dying, 'ada');
  await dies(mesh, dying);
  await new Promise((resolve) => setTimeout(resolve, 1_500));
  expect(nodes.flatMap(calledBy)).toEqual([]);
});

test('who was called away is not called again once the gateway asks for no takeover', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [dying, ...others] = nodes;
  connects(dying, 'ada');
  await reports(mesh, dying, 'ada');
  await dies(mesh, dying);
  await expect.poll(() => others.flatMap(calledBy)).toEqual(all(['ada']));
  await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { takeover: { enabled: false } } });
  const calls = () => others.flatMap(changesOn).filter(({ kind }) => kind === 'call').length;
  const before = calls();
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(calls() - before).toBe(0);
});

test('a node whose interface was made anew calls its own devices, but those that have come to another one', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [first, second] = nodes;
  for (const name of ['ada', 'bob']) connects(first, name, seconds() - 60);
  for (const name of ['ada', 'bob']) await reports(mesh, first, name);
  connects(second, 'bob');
  await reports(mesh, second, 'bob');
  first.host.drift('wireguard-go ended', (state) => ({
    ...state,
    ...(state.device && { device: { ...state.device, stopped: true, up: false, listenPort: 0, peers: new Map() } }),
  }));
  await expect.poll(() => calledBy(first), { timeout: 5_000 }).toEqual(all(['ada']));
  expect(calledBy(second)).toEqual([]);
});

test('an own device that has not come a second after that is called anew, and one that has come keeps its session', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [first] = nodes;
  for (const name of ['ada', 'bob']) connects(first, name, seconds() - 60);
  for (const name of ['ada', 'bob']) await reports(mesh, first, name);
  first.host.drift('the interface is gone', (state) => ({ ...state, device: undefined, routes: [] }));
  await expect.poll(() => calledBy(first), { timeout: 5_000, interval: 20 }).toEqual(all(['ada', 'bob']));
  connects(first, 'bob');
  await expect.poll(() => callsOf(first), { timeout: 5_000 }).toEqual(all(['ada', 'bob', 'ada']));
  const madeAnew = changesOn(first).filter(({ kind }) => kind === 'remove');
  expect(madeAnew.map(({ publicKey }) => publicKey)).toEqual([aKey('ada')]);
});

test('who is revoked goes out although calls keep failing', async ({ mesh, nodes, expect }) => {
  const [dying, second, third] = nodes;
  const refused = new Map([second, third].map((node) => [node, 0]));
  for (const [node, count] of refused) {
    const { host } = node;
    const apply = host.apply.bind(host);
    host.apply = async (step) => {
      if (step.kind === 'set-peers' && step.changes.some(({ kind }) => kind === 'call')) {
        refused.set(node, (refused.get(node) ?? count) + 1);
        throw new Error('no calls');
      }
      await apply(step);
    };
  }
  for (const name of DEVICES) connects(dying, name);
  for (const name of DEVICES) await reports(mesh, dying, name);
  await dies(mesh, dying);
  // Once, and tried again.
  await expect.poll(() => Math.min(...refused.values()), { timeout: 8_000 }).toBeGreaterThan(1);
  await mesh.client.delete(meshPeerType, { name: 'ada', namespace: 'team-a' });
  const hasAda = () => [second, third].filter(({ host }) => host.state.device?.peers.has(aKey('ada')) === true);
  await expect.poll(hasAda, { timeout: 5_000 }).toEqual([]);
});

test('a device whose peer somebody removes is called back', async ({ mesh, nodes, expect }) => {
  const [first] = nodes;
  for (const name of ['ada', 'bob']) connects(first, name);
  for (const name of ['ada', 'bob']) await reports(mesh, first, name);
  first.host.drift('a peer is gone', (state) => {
    const peers = new Map(state.device?.peers);
    peers.delete(aKey('ada'));
    return { ...state, ...(state.device && { device: { ...state.device, peers } }) };
  });
  await expect.poll(() => calledBy(first), { timeout: 5_000 }).toEqual(all(['ada']));
});

test('a device that has left and comes again under its name is not called where it was before, which would end the session that it makes', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [first] = nodes;
  connects(first, 'ada');
  await reports(mesh, first, 'ada');
  await mesh.client.delete(meshPeerType, { name: 'ada', namespace: 'team-a' });
  await expect.poll(() => first.host.state.device?.peers.has(aKey('ada')), { timeout: 5_000 }).toBe(false);
  await mesh.addPeer('ada', { publicKey: aKey('ada again') });
  await expect.poll(() => first.host.state.device?.peers.has(aKey('ada again')), { timeout: 5_000 }).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(callsOf(first)).toEqual([]);
});

test('a node calls its own devices though what it does after it has made its interface anew fails', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [first] = nodes;
  connects(first, 'ada');
  await reports(mesh, first, 'ada');
  for (const kind of ['add-route', 'change-routes'] as const) first.host.failures.set(kind, new Error('no routes'));
  first.host.drift('the interface is gone', (state) => ({ ...state, device: undefined, routes: [] }));
  await expect.poll(() => first.host.state.device?.peers.has(aKey('ada')), { timeout: 5_000 }).toBe(true);
  first.host.failures.clear();
  await expect.poll(() => calledBy(first), { timeout: 8_000 }).toEqual(all(['ada']));
});

test('where whatever the others make is undone again and again, they take over from a node that dies nevertheless', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [dying, ...others] = nodes;
  connects(dying, 'ada');
  await reports(mesh, dying, 'ada');
  for (const { host, name } of others) {
    for (let times = 0; times <= AT_ONCE; times += 1) {
      host.drift('the table', (state) => ({ ...state, ruleset: undefined }));
      await expect.poll(() => host.state.ruleset !== undefined, { interval: 5 }).toBe(true);
    }
    await mesh.until(
      meshGatewayNodeType,
      `${NAMESPACE}/default.${name}` as ObjectKey,
      ({ status }) => findCondition(status?.conditions ?? [], 'Programmed')?.reason === 'Contested',
    );
  }
  await dies(mesh, dying);
  await expect.poll(() => others.flatMap(calledBy), { timeout: 5_000 }).toEqual(all(['ada']));
});

test('a device keeps its session when the interface of another key is made beside its own', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [first] = nodes;
  connects(first, 'ada');
  await reports(mesh, first, 'ada');
  await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { keyRotation: { request: 'now' } } });
  const devices = () => [first.host.state.device, first.host.state.other?.device];
  const sessions = () => devices().map((device) => device?.peers.get(aKey('ada'))?.latestHandshake);
  await expect.poll(() => sessions().includes(0), { timeout: 10_000 }).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(calledBy(first)).toEqual([]);
  expect(Math.max(...sessions().map((session) => session ?? 0))).toBeGreaterThan(0);
});

test('a device keeps its session when its next key is let in too', async ({ mesh, nodes, expect }) => {
  const [first] = nodes;
  connects(first, 'ada');
  await reports(mesh, first, 'ada');
  const ada = { name: 'ada', namespace: 'team-a' };
  await mesh.client.patch(meshPeerType, ada, { spec: { nextPublicKey: aKey('next') } });
  await expect.poll(() => first.host.state.device?.peers.has(aKey('next')), { timeout: 5_000 }).toBe(true);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(calledBy(first)).toEqual([]);
  expect(first.host.state.device?.peers.get(aKey('ada'))?.latestHandshake).toBeGreaterThan(0);
});

test('who was called away from a node that was cut off is called again when it is back, until that one has its session no more', async ({
  mesh,
  nodes,
  expect,
}) => {
  const [dying, second, third] = nodes;
  for (const name of ['ada', 'bob']) connects(dying, name, seconds() - 60);
  for (const name of ['ada', 'bob']) await reports(mesh, dying, name);
  await dies(mesh, dying);
  const others = [second, third];
  const again = (name: string) =>
    others
      .flatMap(changesOn)
      .filter((change) => change.kind === 'call' && !change.endpoint && change.publicKey === aKey(name)).length;
  await expect.poll(() => Math.min(again('ada'), again('bob')), { timeout: 4_000 }).toBeGreaterThan(0);
  for (const name of ['ada', 'bob'])
    connects(others.find((node) => calledBy(node).some((one) => one.startsWith(name))) ?? second, name);
  mesh.plug(dying.name);
  await expect.poll(() => Math.min(again('ada'), again('bob')), { timeout: 10_000 }).toBeGreaterThan(4);
  // It has nothing more of them.
  const back = await mesh.startNode(dying.name);
  await until(mesh, back, ({ status }) => status?.connected === 0);
  const before = again('ada') + again('bob');
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  expect(again('ada') + again('bob') - before).toBeLessThanOrEqual(2);
});

test('a node that is back takes nobody over and nobody back', async ({ mesh, nodes, expect }) => {
  const [dying, second, third] = nodes;
  connects(dying, 'ada');
  await reports(mesh, dying, 'ada');
  await dies(mesh, dying);
  await expect.poll(() => [second, third].flatMap(calledBy)).toEqual(all(['ada']));
  const taker = calledBy(second).length > 0 ? second : third;
  connects(taker, 'ada');
  await reports(mesh, taker, 'ada');
  mesh.plug(dying.name);
  const back = await mesh.startNode(dying.name, dying.host);
  await until(mesh, back, ({ status }) => isTrue(status?.conditions ?? [], 'ServicesReachable'));
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(calledBy(back)).toEqual([]);
});
