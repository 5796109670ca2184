import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findCondition, isTrue } from '../../src/api/conditions.ts';
import { leaseType, nodeType } from '../../src/api/core.ts';
import { type MeshGateway, meshGatewayType } from '../../src/api/meshgateway.ts';
import { type MeshGatewayNode, meshGatewayNodeType } from '../../src/api/meshgatewaynode.ts';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import { OPERATOR_MANAGER } from '../../src/api/names.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { timestamp } from '../../src/api/timestamp.ts';
import { chainKey } from '../../src/dataplane/nftables/foreign.ts';
import { AT_ONCE, EVERY_MS } from '../../src/mesh/contest.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { aKey } from '../support/builders.ts';
import { FakeHost } from '../support/fake-host.ts';
import { samplesOf } from '../support/metrics-page.ts';
import { NAMESPACE, SmallMesh, type SmallNode } from '../support/small-mesh.ts';

const REPORT = `${NAMESPACE}/default.node-a` as ObjectKey;

let mesh: SmallMesh;
let node: SmallNode;
let endOperator: () => Promise<void>;

const is = (type: string) => (object: MeshPeer | MeshGateway | MeshGatewayNode) =>
  isTrue(object.status?.conditions ?? [], type);
const holdsKey = (key: string) => [...(node.host.state.device?.peers.keys() ?? [])].includes(aKey(key));
const report = (holds: (report: MeshGatewayNode) => boolean) => mesh.until(meshGatewayNodeType, REPORT, holds);

/** Resolves once this holds for the node; looked at after every step that the agent takes. */
async function untilNode(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { interval: 5, timeout: 8_000 }).toBe(true);
}

beforeEach(async () => {
  mesh = await SmallMesh.start();
  endOperator = mesh.startOperator();
  await mesh.addGateway();
  node = await mesh.startNode('node-a');
  await mesh.addPeer('ada');
  await mesh.untilPeer('ada', is('Programmed'));
});

afterEach(() => mesh.stop());

test("the agent's page shows how its node stands and what was done there", async () => {
  const samples = async () => Object.fromEntries(samplesOf((await node.metrics.page()).text));
  await expect.poll(samples).toMatchObject({
    sallyport_agent_serving: 1,
    'sallyport_agent_condition{condition="Programmed"}': 1,
    'sallyport_agent_peers{state="connected"}': 0,
    'sallyport_agent_peers{state="never"}': 1,
    'sallyport_agent_operations_total{kind="create-link"}': 1,
    sallyport_agent_reconcile_failures_total: 0,
  });
  const before = await samples();
  expect(before['sallyport_agent_reconcile_duration_seconds_count{look="all"}']).toBeGreaterThan(0);
  expect(before.sallyport_agent_apply_duration_seconds_count).toBe(
    Object.entries(before).reduce((sum, [name, count]) => (/_operations_total/.test(name) ? sum + count : sum), 0),
  );
  const failure = new Error('wg is missing');
  node.host.failures.set('set-peers', failure);
  await mesh.addPeer('bob');
  await expect.poll(samples).toMatchObject({ sallyport_agent_serving: 0, sallyport_agent_reconcile_failures_total: 1 });
});

describe('revocation with the operator down', () => {
  beforeEach(() => endOperator());

  test('a deleted peer is out, and its connections end', async () => {
    const address = (await mesh.client.get(meshPeerType, 'ada', 'team-a'))?.status?.addresses?.[0];
    await mesh.client.delete(meshPeerType, { name: 'ada', namespace: 'team-a' });
    await untilNode(() => !holdsKey('ada'));
    await untilNode(() => node.host.forgotten.includes(`${address}/32` as never));
  });

  test('a suspended peer is out, and in again when it is resumed', async () => {
    const suspend = (suspended: boolean) =>
      mesh.client.patch(meshPeerType, { name: 'ada', namespace: 'team-a' }, { spec: { suspended } });
    await suspend(true);
    await untilNode(() => !holdsKey('ada'));
    await suspend(false);
    await untilNode(() => holdsKey('ada'));
  });

  test('a peer is out at its expiry although nobody writes anything then', async () => {
    const expiresAt = timestamp(Date.now() + 1_500);
    await mesh.client.patch(meshPeerType, { name: 'ada', namespace: 'team-a' }, { spec: { expiresAt } });
    await untilNode(() => !holdsKey('ada'));
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(expiresAt));
  });

  test('a new peer waits', async () => {
    await mesh.addPeer('bob');
    await mesh.client.patch(meshPeerType, { name: 'ada', namespace: 'team-a' }, { spec: { suspended: true } });
    await untilNode(() => !holdsKey('ada'));
    expect(holdsKey('bob')).toBe(false);
  });

  test('a key that was replaced is out at once, and the new one waits for the operator', async () => {
    await mesh.client.patch(meshPeerType, { name: 'ada', namespace: 'team-a' }, { spec: { publicKey: aKey('eve') } });
    await untilNode(() => !holdsKey('ada'));
    expect(holdsKey('eve')).toBe(false);
    endOperator = mesh.startOperator();
    await untilNode(() => holdsKey('eve'));
  });
});

describe('a device that changes its key', () => {
  const patch = (spec: object) => mesh.client.patch(meshPeerType, { name: 'ada', namespace: 'team-a' }, { spec });
  const seconds = () => Math.floor(Date.now() / 1000);
  const hasAddresses = (key: string) => node.host.state.device?.peers.get(aKey(key))?.allowedIPs.length === 1;
  const keyInUse = (holds: string) =>
    mesh.untilPeer('ada', ({ status }) => findCondition(status?.conditions ?? [], 'NextKeyInUse')?.reason === holds);

  beforeEach(async () => {
    const endpoint = '198.51.100.7:40000' as Endpoint;
    node.host.handshake(aKey('ada'), { latestHandshake: seconds() - 10, endpoint });
    await patch({ nextPublicKey: aKey('ada-next') });
    await keyInUse('NotInUse');
    await mesh.untilPeer('ada', is('Programmed'));
    expect([hasAddresses('ada'), hasAddresses('ada-next')]).toEqual([true, false]);
    node.host.handshake(aKey('ada-next'), { latestHandshake: seconds(), endpoint });
  });

  test('has its addresses with the next one at once, which is told, and ends with that alone', async () => {
    const began = Date.now();
    await untilNode(() => hasAddresses('ada-next'));
    expect(Date.now() - began).toBeLessThan(1_500);
    await keyInUse('InUse');
    await endOperator();
    await patch({ publicKey: aKey('ada-next'), nextPublicKey: null });
    await untilNode(() => !holdsKey('ada'));
    expect([hasAddresses('ada-next'), node.host.forgotten]).toEqual([true, []]);
  });

  test('is out with both once it is deleted, though the operator is down', async () => {
    await untilNode(() => hasAddresses('ada-next'));
    await endOperator();
    await mesh.client.delete(meshPeerType, { name: 'ada', namespace: 'team-a' });
    await untilNode(() => !holdsKey('ada') && !holdsKey('ada-next'));
  });
});

describe('a device that asks for its configuration', () => {
  const addressOf = async (name: string) =>
    (await mesh.client.get(meshPeerType, name, 'team-a'))?.status?.addresses?.[0] ?? '';

  test('gets what its status says', async () => {
    await mesh.addPeer('bob');
    await mesh.untilPeer('bob', is('Programmed'));
    for (const name of ['ada', 'bob']) {
      const { status, body } = node.listeners.get(await addressOf(name));
      const peer = await mesh.client.get(meshPeerType, name, 'team-a');
      expect({ status, body }).toEqual({ status: 200, body: peer?.status?.config });
    }
  });

  test('asks at the addresses that the interface has, and nowhere once the agent has ended', async () => {
    expect(node.listeners.addresses).toEqual(['10.213.0.1']);
    await node.stop();
    expect(node.listeners.addresses).toEqual([]);
  });

  test('gets every endpoint, of which its status has four', async () => {
    const hosts = ['a', 'b', 'c', 'd', 'e', 'f'].map((host) => `${host}.example.com`);
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { endpoint: { hosts } } });
    const address = await addressOf('ada');
    await untilNode(() => node.listeners.get(address).body.includes('f.example.com:51840'));
    const peer = await mesh.untilPeer('ada', ({ status }) => status?.config?.includes('d.example.com') === true);
    expect(peer.status?.config).not.toContain('e.example.com');
  });

  test('is told when something has changed, and not again', async () => {
    const address = await addressOf('ada');
    const { etag = '' } = node.listeners.get(address).headers;
    expect(node.listeners.get(address, etag).status).toBe(304);
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { mtu: 1380 } });
    await untilNode(() => node.listeners.get(address, etag).status === 200);
    expect(node.listeners.get(address).body).toContain('MTU = 1380');
  });

  test('is not known any more once it is revoked, with the operator down too', async () => {
    await endOperator();
    const address = await addressOf('ada');
    await mesh.client.patch(meshPeerType, { name: 'ada', namespace: 'team-a' }, { spec: { suspended: true } });
    await untilNode(() => node.listeners.get(address).status === 403);
  });

  test('gets the other gateways that let it in as well', async () => {
    await mesh.client.create(meshGatewayType, {
      metadata: { name: 'other' },
      spec: {
        nodeSelector: { tier: 'edge' },
        endpoint: { hosts: ['other.example.com'] },
        advertise: { services: { enabled: false }, cidrs: ['192.0.2.0/24'] },
      },
    });
    const address = await addressOf('ada');
    await untilNode(() => node.listeners.get(address).body.includes('Endpoint = other.example.com:51840'));
    const { status } = await mesh.untilPeer('ada', (peer) => peer.status?.config?.includes('other.example') === true);
    expect(node.listeners.get(address).body).toBe(status?.config);
  });

  test('that would get no answer is told why in the report', async () => {
    node.listeners.problem = 'Devices do not get their present configuration here: TCP port 51840 is taken.';
    await mesh.addPeer('bob');
    const told = await report(
      (one) => one.status?.conditions?.some(({ message }) => /51840 is taken/.test(message)) === true,
    );
    const condition = findCondition(told.status?.conditions ?? [], 'InterfaceUp');
    expect(condition).toMatchObject({
      status: 'True',
      message: expect.stringContaining('is up, served by the kernel. Dev'),
    });
  });
});

describe('a node', () => {
  test('one changed peer costs one command', async () => {
    node.host.applied.splice(0);
    await mesh.addPeer('bob');
    await untilNode(() => holdsKey('bob'));
    expect(node.host.applied).toMatchObject([
      { kind: 'set-peers', changes: [{ kind: 'add', publicKey: aKey('bob') }] },
    ]);
  });

  test('an agent that starts again adopts what it finds', async () => {
    await node.stop();
    node.host.applied.splice(0);
    node = await mesh.startNode('node-a', node.host);
    await mesh.addPeer('bob');
    await untilNode(() => holdsKey('bob'));
    expect(new Set(node.host.applied.map(({ kind }) => kind))).toEqual(new Set(['set-peers']));
    // Its probe peer has a new key; nobody else is touched.
    expect(holdsKey('ada')).toBe(true);
  });

  test('what another hand changed is mended, and an Event says so', async () => {
    node.host.drift('the table is gone', (state) => ({ ...state, ruleset: undefined }));
    await untilNode(() => node.host.state.ruleset !== undefined);
    await untilNode(() =>
      mesh.happened.some(({ reason, note }) => reason === 'DriftMended' && note.includes('node-a')),
    );
  });

  test('what another hand changes again and again is told, with the program that the kernel names, and mended every second', async () => {
    const isMended = () => node.host.state.ruleset !== undefined;
    const take = () => node.host.drift('the table', (state) => ({ ...state, ruleset: undefined }), 'firewalld');
    for (let times = 0; times <= AT_ONCE; times += 1) {
      take();
      await untilNode(isMended);
    }
    const { status } = await report(
      (one) => findCondition(one.status?.conditions ?? [], 'Programmed')?.reason === 'Contested',
    );
    expect(findCondition(status?.conditions ?? [], 'Programmed')?.message).toContain('the program firewalld. ');
    await untilNode(() => mesh.happened.some(({ reason }) => reason === 'DriftContested'));
    const taken = performance.now();
    take();
    await untilNode(isMended);
    expect(performance.now() - taken).toBeGreaterThan(EVERY_MS / 2);
  });

  test('a firewall of another program that drops what the mesh forwards is told, and looking changes nothing', async () => {
    const chain = { family: 'inet', table: 'edge', name: 'fwd', type: 'filter', hook: 'forward', policy: 'drop' };
    await node.stop();
    node.host.foreign = { chains: [chain], rules: new Map([[chainKey(chain), []]]), unseen: [] };
    node.host.applied.splice(0);
    node = await mesh.startNode('node-a', node.host);
    const told = await report(
      (one) => one.status?.conditions?.some(({ reason }) => reason === 'ForeignFirewall') === true,
    );
    expect(findCondition(told.status?.conditions ?? [], 'ForwardingEnabled')?.message).toContain(
      'table inet edge, chain fwd',
    );
    expect(node.host.applied.map(({ kind }) => kind).filter((kind) => kind !== 'set-peers')).toEqual([]);
  });

  test('a change of the resources is no drift', async () => {
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { mtu: 1380 } });
    await untilNode(() => node.host.state.device?.mtu === 1380);
    await report((one) => one.status?.mtu === 1380);
    expect(mesh.happened.map(({ reason }) => reason)).not.toContain('DriftMended');
  });

  test('a step that fails is told with its reason, tried again, and forgotten when it works', async () => {
    node.host.failures.set('set-peers', new Error('wg: Unable to modify interface'));
    await mesh.addPeer('bob');
    const failed = await report(
      (one) => findCondition(one.status?.conditions ?? [], 'Programmed')?.reason === 'ApplyFailed',
    );
    expect(findCondition(failed.status?.conditions ?? [], 'Programmed')?.message).toContain(
      'wg: Unable to modify interface',
    );
    node.host.failures.clear();
    await report(is('Programmed'));
    expect(holdsKey('bob')).toBe(true);
  });

  test('who is revoked is put out although something else keeps failing', async () => {
    node.host.failures.set('replace-table', new Error('nft: Operation not permitted'));
    node.host.drift('the table is gone', (state) => ({ ...state, ruleset: undefined }));
    await report((one) => findCondition(one.status?.conditions ?? [], 'Programmed')?.reason === 'ApplyFailed');
    await mesh.client.delete(meshPeerType, { name: 'ada', namespace: 'team-a' });
    await untilNode(() => !holdsKey('ada'));
    expect(node.host.state.ruleset).toBeUndefined();
  });

  test('whatever else fails until the next try does not put that off', async () => {
    for (const kind of ['replace-table', 'set-peers'] as const)
      node.host.failures.set(kind, new Error('Operation not permitted'));
    node.host.drift('the table is gone', (state) => ({ ...state, ruleset: undefined }));
    await report((one) => findCondition(one.status?.conditions ?? [], 'Programmed')?.reason === 'ApplyFailed');
    const looks = node.host.observations;
    let turns = 0;
    // Each is a turn in which ada cannot be put out.
    const failing = async () => {
      turns += 1;
      const patch = { metadata: { labels: { turn: `${turns}` } }, spec: { suspended: true } };
      await mesh.client.patch(meshPeerType, { name: 'ada', namespace: 'team-a' }, patch);
      return node.host.observations;
    };
    await expect.poll(failing, { interval: 100, timeout: 8_000 }).toBeGreaterThan(looks);
  });

  test('a changed spec waits for the word of the operator, and what was decided before holds', async () => {
    await endOperator();
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { mtu: 1380 } });
    await mesh.client.delete(meshPeerType, { name: 'ada', namespace: 'team-a' });
    await untilNode(() => !holdsKey('ada'));
    expect(node.host.state.device?.mtu).not.toBe(1380);
    expect(is('Programmed')(await report(() => true))).toBe(true);
    endOperator = mesh.startOperator();
    await untilNode(() => node.host.state.device?.mtu === 1380);
  });

  test('a peer that is let in again as it was is reported at once, although nothing had to be done', async () => {
    await endOperator();
    const peer = await mesh.client.get(meshPeerType, 'ada', 'team-a');
    const conditions = (peer?.status?.conditions ?? []).map((condition) =>
      condition.type === 'Programmed' ? { ...condition, status: 'False' } : condition,
    );
    const target = { name: 'ada', namespace: 'team-a' };
    const status = { ...peer?.status, conditions };
    const { metadata } = await mesh.client.applyStatus(meshPeerType, target, status, {
      fieldManager: OPERATOR_MANAGER,
    });
    await report((one) => BigInt(one.status?.appliedResourceVersion ?? 0) >= BigInt(metadata.resourceVersion));
  });

  test('a node that is nearly full of connections says so, and so does the gateway, with an Event', async () => {
    const host = new FakeHost();
    host.tracking = { entries: 120_000, most: 131_072 };
    await mesh.startNode('node-b', host);
    const isFull = ({ status }: MeshGateway) =>
      findCondition(status?.conditions ?? [], 'ConnectionTracking')?.status === 'False';
    const gateway = await mesh.until(meshGatewayType, 'default' as ObjectKey, isFull);
    const told = findCondition(gateway.status?.conditions ?? [], 'ConnectionTracking');
    expect(told).toMatchObject({ reason: 'NearlyFull', message: expect.stringContaining('On node node-b: ') });
    expect(mesh.happened).toContainEqual(expect.objectContaining({ reason: 'NearlyFull', type: 'Warning' }));
  });

  test('a device that has too many connections open through a node is refused more there, which an Event tells', async () => {
    const address = (await mesh.client.get(meshPeerType, 'ada', 'team-a'))?.status?.addresses?.[0] as IpAddress;
    const host = new FakeHost();
    host.tracking = { entries: 30_000, most: 131_072 };
    host.tracked = new Map([[address, { entries: 25_000, open: 25_000, established: 0 }]]);
    await mesh.startNode('node-b', host);
    await untilNode(() => host.state.ruleset?.elements.get('full4')?.includes(address) === true);
    await untilNode(() =>
      mesh.happened.some(({ reason, note }) => reason === 'TooManyConnections' && note.includes('team-a/ada')),
    );
    expect(mesh.happened.map(({ reason }) => reason)).not.toContain('DriftMended');
  });

  test('a node says whether it opens all that grants allow, once they decide', async () => {
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { access: { default: 'Deny' } } });
    await report(is('GrantsOpened'));
    await mesh.until(meshGatewayType, 'default' as ObjectKey, is('GrantsOpened'));
  });

  test('a gateway that begins to deny does so as soon as the node has seen what grants, and is said to do so then', async () => {
    const denies = () => node.host.state.ruleset?.elements.has('by_peer_tcp4') === true;
    const gateway = (holds: (gateway: MeshGateway) => boolean) =>
      mesh.until(meshGatewayType, 'default' as ObjectKey, holds);
    await gateway(is('Ready'));
    mesh.server.fault({ path: '/meshaccesses', times: 3, action: { kind: 'refuse', code: 500 } });
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { access: { default: 'Deny' } } });
    const waiting = await gateway(({ status }) => status?.observedGeneration === 2);
    expect(denies()).toBe(false);
    expect(findCondition(waiting.status?.conditions ?? [], 'Programmed')).toMatchObject({
      status: 'False',
      reason: 'WaitingForNodes',
      message: expect.stringContaining('on node-a (0 of 1 nodes have it)'),
    });
    expect(is('Ready')(waiting)).toBe(true);
    const why = ({ status }: MeshGatewayNode) => findCondition(status?.conditions ?? [], 'Programmed')?.message ?? '';
    await report((one) => why(one).includes('until every MeshAccess'));
    await gateway(is('Programmed'));
    expect(denies()).toBe(true);
    await report((one) => one.status?.gatewayGeneration === 2 && is('Programmed')(one));
  });

  test('a public address that the cluster gets is kept from devices that may use the internet, at once', async () => {
    const spec = { advertise: { internet: { enabled: true } } };
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec });
    const kept = () => node.host.state.ruleset?.elements.get('kept4') ?? [];
    await untilNode(() => kept().length > 0);
    await mesh.client.create(nodeType, { metadata: { name: 'elsewhere' } });
    const addresses = [{ type: 'ExternalIP', address: '8.8.4.4' }];
    await mesh.client.applyStatus(nodeType, { name: 'elsewhere' }, { addresses }, { fieldManager: 'test' });
    await untilNode(() => kept().some((element) => element.startsWith('8.8.4.4')));
  });

  test('counts in the gateway status make nobody look at the node', async () => {
    const observed = node.host.observations;
    await mesh.addPeer('bob');
    await mesh.until(meshGatewayType, 'default' as ObjectKey, (gateway) => gateway.status?.peers?.accepted === 2);
    expect(node.host.observations).toBe(observed);
  });

  test('a session shows in the report and in the peer, and a later handshake alone writes nothing', async () => {
    const seen = { endpoint: '198.51.100.7:1234' as never, latestHandshake: Math.floor(Date.now() / 1000) };
    node.host.handshake(aKey('ada'), seen);
    const peer = await mesh.untilPeer('ada', is('Connected'));
    expect(peer.status?.connections).toMatchObject([
      { gateway: 'default', node: 'node-a', endpoint: '198.51.100.7:1234' },
    ]);
    const before = (await report(() => true)).metadata.resourceVersion;
    node.host.handshake(aKey('ada'), { ...seen, latestHandshake: seen.latestHandshake + 120 });
    await mesh.addPeer('bob');
    await mesh.untilPeer('bob', is('Programmed'));
    const after = await mesh.client.get(meshPeerType, 'ada', 'team-a');
    expect(after?.metadata.resourceVersion).toBe(peer.metadata.resourceVersion);
    expect((await report(() => true)).metadata.resourceVersion).not.toBe(before);
  });

  test('a gateway that is not accepted any more stays as it is on the node, but for who is revoked', async () => {
    await mesh.addPeer('bob');
    await untilNode(() => holdsKey('bob'));
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { endpoint: { hosts: ['bad host'] } } });
    await report((one) => findCondition(one.status?.conditions ?? [], 'Programmed')?.reason === 'WaitingForGateway');
    await mesh.client.delete(meshPeerType, { name: 'bob', namespace: 'team-a' });
    await untilNode(() => !holdsKey('bob'));
    expect(holdsKey('ada')).toBe(true);
    expect(node.host.state.ruleset).toBeDefined();
  });

  test('a deleted gateway leaves nothing on the node and no report and Lease behind', async () => {
    await mesh.client.delete(meshGatewayType, { name: 'default' });
    await mesh.server.until(() => mesh.server.collection(meshGatewayNodeType).list().length === 0);
    await mesh.server.until(
      () =>
        !mesh.server
          .collection(leaseType)
          .list()
          .some((lease) => JSON.stringify(lease).includes('default.node-a')),
    );
    expect(node.host.state).toMatchObject({ device: undefined, ruleset: undefined, routes: [] });
  });
});
