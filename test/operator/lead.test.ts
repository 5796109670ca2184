import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findCondition, isTrue } from '../../src/api/conditions.ts';
import { daemonSetType, secretType, serviceType } from '../../src/api/core.ts';
import { type MeshGateway, meshGatewayType } from '../../src/api/meshgateway.ts';
import { type MeshPeer, meshPeerType } from '../../src/api/meshpeer.ts';
import { CLEANUP_FINALIZER } from '../../src/api/names.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { aKey } from '../support/builders.ts';
import { samplesOf } from '../support/metrics-page.ts';
import { NAMESPACE, SmallMesh } from '../support/small-mesh.ts';

const GATEWAY = 'default' as ObjectKey;

let mesh: SmallMesh;

beforeEach(async () => {
  mesh = await SmallMesh.start();
});

afterEach(() => mesh.stop());

const accepted = (peer: MeshPeer) => findCondition(peer.status?.conditions ?? [], 'Accepted');
const is = (type: string) => (object: MeshPeer | MeshGateway) => isTrue(object.status?.conditions ?? [], type);

describe('the leading operator', () => {
  test('makes a gateway of a bare MeshGateway: key, agents, addresses, endpoints, status', async () => {
    mesh.startOperator();
    await mesh.addGateway();
    await mesh.startNode('node-a');
    const gateway = await mesh.until(meshGatewayType, GATEWAY, is('Ready'));
    expect(gateway.metadata.finalizers).toEqual([CLEANUP_FINALIZER]);
    expect(gateway.status).toMatchObject({
      addresses: ['10.213.0.1'],
      serviceCIDRs: [{ cidr: '10.96.0.0/12', source: 'ServiceCIDR kubernetes' }],
      dns: { servers: ['10.96.0.10'], domain: 'cluster.local' },
      nodes: { selected: 1, ready: 1 },
    });
    expect(await mesh.client.get(daemonSetType, 'sallyport-default', NAMESPACE)).toBeDefined();
    const secret = await mesh.client.get(secretType, 'sallyport-default', NAMESPACE);
    expect(Buffer.from(secret?.data.privateKey ?? '', 'base64').toString()).toHaveLength(44);
  });

  test('lets a peer in, and says so once every node holds it', async () => {
    mesh.startOperator();
    await mesh.addGateway();
    await Promise.all([mesh.startNode('node-a'), mesh.startNode('node-b')]);
    await mesh.until(meshGatewayType, GATEWAY, is('Ready'));
    await mesh.addPeer('ada');
    const peer = await mesh.untilPeer('ada', is('Programmed'));
    expect(findCondition(peer.status?.conditions ?? [], 'Programmed')?.message).toBe('On 2 of 2 nodes.');
    expect(peer.status?.config).toContain('AllowedIPs = 10.96.0.0/12, 10.213.0.1/32');
    expect(peer.status?.config).not.toMatch(/PrivateKey/);
  });

  test('shows on its page that it leads, and how devices and gateways stand; afterwards only that it does not', async () => {
    const end = mesh.startOperator();
    await mesh.addGateway();
    await mesh.startNode('node-a');
    await mesh.until(meshGatewayType, GATEWAY, is('Ready'));
    await mesh.addPeer('ada');
    await mesh.addPeer('bob', { suspended: true });
    await mesh.untilPeer('ada', is('Programmed'));
    await mesh.untilPeer('bob', (peer) => accepted(peer)?.reason === 'Suspended');
    const samples = async () => Object.fromEntries(samplesOf((await mesh.metrics.page()).text));
    await expect.poll(samples).toMatchObject({
      sallyport_operator_leader: 1,
      'sallyport_operator_peers{state="idle"}': 1,
      'sallyport_operator_peers{state="refused"}': 1,
      'sallyport_operator_refused_peers{reason="Suspended"}': 1,
      'sallyport_operator_gateway_nodes{gateway="default"}': 1,
      'sallyport_operator_gateway_ready_nodes{gateway="default"}': 1,
      'sallyport_operator_gateway_condition{gateway="default",condition="Ready"}': 1,
      'sallyport_operator_queue_length{kind="MeshPeer"}': 0,
      'sallyport_operator_reconcile_failures_total{kind="MeshPeer"}': expect.any(Number),
    });
    expect((await samples())['sallyport_operator_reconcile_duration_seconds_count{kind="MeshPeer"}']).toBeGreaterThan(
      1,
    );
    await end();
    const after = await samples();
    expect(after.sallyport_operator_leader).toBe(0);
    expect(Object.keys(after).filter((name) => /_peers|_gateway_|_queue_/.test(name))).toEqual([]);
  });

  test('accepts peers while no agent runs, and does not call them programmed', async () => {
    mesh.startOperator();
    await mesh.addGateway();
    await mesh.addPeer('ada');
    const peer = await mesh.untilPeer('ada', is('Accepted'));
    expect(is('Programmed')(peer)).toBe(false);
  });

  test('gives one key to one peer and one address to one peer, and lets the next one have them afterwards', async () => {
    mesh.startOperator();
    await mesh.addGateway();
    await mesh.addPeer('ada', { addresses: ['10.213.9.9'] });
    await mesh.untilPeer('ada', is('Accepted'));
    await mesh.addPeer('bob', { publicKey: aKey('ada') });
    await mesh.addPeer('eve', { addresses: ['10.213.9.9'] });
    expect(accepted(await mesh.untilPeer('bob', (peer) => accepted(peer) !== undefined))).toMatchObject({
      status: 'False',
      reason: 'DuplicateKey',
    });
    expect(accepted(await mesh.untilPeer('eve', (peer) => accepted(peer) !== undefined))).toMatchObject({
      status: 'False',
      reason: 'AddressTaken',
    });
    await mesh.client.delete(meshPeerType, { name: 'ada', namespace: 'team-a' });
    await Promise.all([mesh.untilPeer('bob', is('Accepted')), mesh.untilPeer('eve', is('Accepted'))]);
  });

  test('gives 200 peers that come at once 200 different addresses', async () => {
    mesh.startOperator();
    await mesh.addGateway();
    const names = Array.from({ length: 200 }, (_, index) => `peer-${index}`);
    await Promise.all(names.map((name) => mesh.addPeer(name)));
    const peers = await Promise.all(names.map((name) => mesh.untilPeer(name, is('Accepted'))));
    expect(new Set(peers.flatMap(({ status }) => status?.addresses ?? [])).size).toBe(200);
  });

  test('an operator that takes over writes nothing that is there already', async () => {
    const end = mesh.startOperator();
    await mesh.addGateway();
    await mesh.startNode('node-a');
    await mesh.addPeer('ada');
    await mesh.untilPeer('ada', is('Programmed'));
    const gateway = await mesh.until(
      meshGatewayType,
      GATEWAY,
      (one) => is('Ready')(one) && one.status?.peers?.accepted === 1,
    );
    await end();
    const before = await mesh.client.get(meshPeerType, 'ada', 'team-a');
    mesh.server.requests.splice(0);
    mesh.startOperator();
    await mesh.addPeer('bob');
    await mesh.untilPeer('bob', is('Programmed'));
    expect((await mesh.client.get(meshPeerType, 'ada', 'team-a'))?.metadata.resourceVersion).toBe(
      before?.metadata.resourceVersion,
    );
    expect(mesh.server.seen('/meshpeers/ada/status', 'PATCH')).toEqual([]);
    expect((await mesh.client.get(meshGatewayType, 'default'))?.status?.publicKey).toBe(gateway.status?.publicKey);
  });

  test('keeps going when one write fails', async () => {
    mesh.startOperator();
    await mesh.addGateway();
    await mesh.addPeer('ada');
    await mesh.untilPeer('ada', is('Accepted'));
    mesh.server.fault({ path: '/meshpeers/bob/status', times: 2, action: { kind: 'refuse', code: 500 } });
    await Promise.all([mesh.addPeer('bob'), mesh.addPeer('eve')]);
    const [bob, eve] = await Promise.all([
      mesh.untilPeer('bob', is('Accepted')),
      mesh.untilPeer('eve', is('Accepted')),
    ]);
    expect(bob.status?.addresses).not.toEqual(eve.status?.addresses);
  });

  test('tells a person once why a peer is refused', async () => {
    mesh.startOperator();
    await mesh.addGateway({ allowedPeers: { namespaces: { from: 'None' } } });
    await mesh.addPeer('ada');
    await mesh.untilPeer('ada', (peer) => accepted(peer)?.reason === 'NamespaceNotAdmitted');
    const told = mesh.happened.filter(({ regarding }) => regarding.metadata.name === 'ada');
    expect(told).toMatchObject([{ type: 'Warning', reason: 'NamespaceNotAdmitted' }]);
  });

  test('tells devices of another second endpoint, and of no fifth one', async () => {
    mesh.startOperator();
    await mesh.addGateway({ endpoint: { service: { type: 'LoadBalancer' } } });
    await mesh.addPeer('ada');
    await mesh.server.until(() => mesh.server.collection(serviceType).list().length > 1);
    const balance = async (...addresses: readonly string[]) => {
      const target = { name: 'sallyport-default', namespace: NAMESPACE };
      const status = { loadBalancer: { ingress: addresses.map((ip) => ({ ip })) } };
      await mesh.client.applyStatus(serviceType, target, status, { fieldManager: 'test' });
    };
    const names = (address: string) => (peer: MeshPeer) => peer.status?.config?.includes(`${address}:51840`) === true;
    await balance('192.0.2.1', '192.0.2.2');
    await mesh.untilPeer('ada', names('192.0.2.2'));
    await balance('192.0.2.1', '192.0.2.3', '192.0.2.4', '192.0.2.5');
    const { metadata } = await mesh.untilPeer('ada', names('192.0.2.5'));
    await balance('192.0.2.1', '192.0.2.3', '192.0.2.4', '192.0.2.5', '192.0.2.6');
    await mesh.until(meshGatewayType, GATEWAY, ({ status }) => status?.endpoints?.length === 5);
    await mesh.addPeer('bob');
    await mesh.untilPeer('bob', is('Accepted'));
    const after = await mesh.client.get(meshPeerType, 'ada', 'team-a');
    expect(after?.metadata.resourceVersion).toBe(metadata.resourceVersion);
  });

  test('lets a deleted gateway go once its nodes are clean', async () => {
    mesh.startOperator();
    await mesh.addGateway();
    const node = await mesh.startNode('node-a');
    await mesh.until(meshGatewayType, GATEWAY, is('Ready'));
    await mesh.client.delete(meshGatewayType, { name: 'default' });
    await mesh.server.until(() => mesh.server.collection(meshGatewayType).list().length === 0);
    expect(node.host.state).toMatchObject({ device: undefined, ruleset: undefined, routes: [] });
  });
});
