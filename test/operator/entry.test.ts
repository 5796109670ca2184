import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findCondition } from '../../src/api/conditions.ts';
import { leaseType, nodeType, serviceType } from '../../src/api/core.ts';
import { dnsEndpointType } from '../../src/api/dns-endpoint.ts';
import { type MeshGateway, meshGatewayType } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import type { ObjectKey } from '../../src/api/resource.ts';
import { NAMESPACE, SmallMesh } from '../support/small-mesh.ts';

const GATEWAY = 'default' as ObjectKey;
const { parse: _, ...DNS } = dnsEndpointType;
const CHILD = { name: 'sallyport-default', namespace: NAMESPACE };

let mesh: SmallMesh;

beforeEach(async () => {
  mesh = await SmallMesh.start();
});

afterEach(() => mesh.stop());

const endpointsOf = ({ status }: MeshGateway) => status?.endpoints?.map(({ endpoint }) => endpoint) ?? [];
const found = ({ status }: MeshGateway) => findCondition(status?.conditions ?? [], 'EndpointsFound');
const untilGateway = (holds: (gateway: MeshGateway) => boolean) => mesh.until(meshGatewayType, GATEWAY, holds);
const untilFound = (reason: string) => untilGateway((gateway) => found(gateway)?.reason === reason);
const untilDials = (endpoint: string) =>
  mesh.untilPeer('ada', (peer: MeshPeer) => peer.status?.config?.includes(`Endpoint = ${endpoint}\n`) === true);
const annotate = (text: string | null) =>
  mesh.client.patch(nodeType, { name: 'node-a' }, { metadata: { annotations: { 'sallyport.dev/endpoint': text } } });
const agentsOf = ({ status }: MeshGateway) => status?.endpoints?.map(({ agent }) => agent);

describe('what a Node says of itself', () => {
  test('is heard though nothing else happens', async () => {
    mesh.startOperator();
    await mesh.addGateway();
    await mesh.client.create(nodeType, { metadata: { name: 'node-a', labels: { 'kubernetes.io/os': 'linux' } } });
    for (const place of ['198.51.100.7:4500', '198.51.100.8:4500', '198.51.100.9:4500']) {
      await annotate(place);
      await untilGateway((gateway) => endpointsOf(gateway).join() === place);
    }
  });

  test('reaches the devices, and its mistakes the gateway', async () => {
    mesh.startOperator();
    await mesh.addGateway();
    await mesh.startNode('node-a');
    await mesh.addPeer('ada');
    await untilDials('192.0.2.97:51840');
    await annotate('198.51.100.7:4500');
    await untilDials('198.51.100.7:4500');
    await annotate('not a host');
    await untilDials('192.0.2.97:51840');
    const wrong = await untilFound('InvalidAnnotation');
    expect(found(wrong)).toMatchObject({
      status: 'False',
      message: expect.stringContaining('Node node-a: "not a host"'),
    });
    expect(mesh.happened).toContainEqual(expect.objectContaining({ type: 'Warning', reason: 'InvalidAnnotation' }));
    await annotate(null);
    await untilFound('Found');
  });
});

test('an agent that goes and comes is told of the gateway, and no device gets another configuration', async () => {
  mesh.startOperator();
  await mesh.addGateway();
  const [first] = await Promise.all([mesh.startNode('node-a'), mesh.startNode('node-b')]);
  await untilGateway((gateway) => agentsOf(gateway)?.join() === 'Serving,Serving');
  await mesh.addPeer('ada');
  const { status } = await untilDials('192.0.2.97:51840');
  const configs = new Set([status?.config]);
  await first.stop();
  // As its end, which comes later.
  await mesh.client.delete(leaseType, { name: 'default.node-a', namespace: NAMESPACE });
  const away = await untilGateway((gateway) => agentsOf(gateway)?.join() === 'NotServing,Serving');
  expect(endpointsOf(away)).toEqual(['192.0.2.97:51840', '192.0.2.98:51840']);
  await mesh.startNode('node-a');
  await untilGateway((gateway) => agentsOf(gateway)?.join() === 'Serving,Serving');
  configs.add((await mesh.untilPeer('ada', () => true)).status?.config);
  expect(configs.size).toBe(1);
});

describe('names in DNS', () => {
  const dns = { hostnames: ['vpn.example.com'] };
  const takeUp = () =>
    mesh.client.applyStatus(dnsEndpointType, CHILD, { observedGeneration: 1 }, { fieldManager: 'external-dns' });
  const published = async () => {
    const object: unknown = mesh.server.collection(DNS).list()[0];
    return (object as { spec: { endpoints: unknown } } | undefined)?.spec.endpoints;
  };

  test('are published where agents serve, and told to devices once external-dns knows of them', async () => {
    mesh.server.serve(DNS);
    mesh.startOperator();
    await mesh.addGateway({ endpoint: { dns } });
    await mesh.startNode('node-a');
    await mesh.addPeer('ada');
    await untilDials('192.0.2.97:51840');
    await expect
      .poll(published)
      .toEqual([{ dnsName: 'vpn.example.com', recordType: 'A', recordTTL: 60, targets: ['192.0.2.97'] }]);
    expect(found(await untilFound('WaitingForDNS'))?.message).toContain('--source=crd');
    await takeUp();
    await untilDials('vpn.example.com:51840');
    await untilFound('Found');
    const { status } = await untilGateway((gateway) => agentsOf(gateway)?.join() === 'Serving,Serving');
    expect(status?.endpoints?.[0]).toMatchObject({ endpoint: 'vpn.example.com:51840', source: 'DNS' });
    const object = await mesh.client.get(dnsEndpointType, CHILD.name, NAMESPACE);
    expect(object?.metadata.ownerReferences).toMatchObject([{ kind: 'MeshGateway', name: 'default' }]);
  });

  test('that nobody asks for any more are withdrawn', async () => {
    mesh.server.serve(DNS);
    mesh.startOperator();
    await mesh.addGateway({ endpoint: { dns } });
    await mesh.startNode('node-a');
    await expect.poll(published).toBeDefined();
    await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { endpoint: { dns: null } } });
    await expect.poll(published).toBeUndefined();
  });

  test('where the cluster has no DNSEndpoints are a mistake, and everything else goes on', async () => {
    mesh.startOperator();
    await mesh.addGateway({ endpoint: { dns } });
    await mesh.startNode('node-a');
    await mesh.addPeer('ada');
    await untilDials('192.0.2.97:51840');
    expect(found(await untilFound('DNSNotServed'))?.message).toContain('spec.endpoint.dns');
  });

  test('that the API server refuses are a mistake, and everything else goes on', async () => {
    mesh.server.serve(DNS);
    mesh.server.fault({ method: 'PATCH', path: '/dnsendpoints', action: { kind: 'refuse', code: 422 } });
    mesh.startOperator();
    await mesh.addGateway({ endpoint: { dns } });
    await mesh.startNode('node-a');
    await mesh.addPeer('ada');
    await untilDials('192.0.2.97:51840');
    await untilFound('DNSRefused');
  });
});

test('a Service that the API server refuses is a mistake, asked again later and not at once, and everything else goes on', async () => {
  mesh.server.fault({ method: 'PATCH', path: '/services/', action: { kind: 'refuse', code: 422 } });
  mesh.startOperator();
  await mesh.addGateway({ endpoint: { service: { nodePort: 1 }, nodeAddresses: true } });
  await mesh.startNode('node-a');
  await mesh.addPeer('ada');
  await untilDials('192.0.2.97:51840');
  expect(found(await untilFound('ServiceRefused'))).toMatchObject({
    status: 'False',
    message: expect.stringContaining('spec.endpoint.service'),
  });
  expect(mesh.server.seen('/services/sallyport-default', 'PATCH')).toHaveLength(1);
  await mesh.client.patch(meshGatewayType, { name: 'default' }, { spec: { endpoint: { service: { nodePort: 2 } } } });
  await mesh.server.until(() => mesh.server.seen('/services/sallyport-default', 'PATCH').length === 2);
});

test('a Service is waited for', async () => {
  mesh.startOperator();
  await mesh.addGateway({ endpoint: { hosts: ['vpn.example.com'], service: {} } });
  await untilFound('WaitingForService');
  const status = { loadBalancer: { ingress: [{ ip: '198.51.100.4' }] } };
  await mesh.client.applyStatus(serviceType, CHILD, status, { fieldManager: 'test' });
  expect(endpointsOf(await untilFound('Found'))).toEqual(['vpn.example.com:51840', '198.51.100.4:51840']);
});
