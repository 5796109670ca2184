import { describe, expect, test } from 'vitest';
import { serviceType } from '../../src/api/core.ts';
import { dnsEndpointType } from '../../src/api/dns-endpoint.ts';
import { findEndpoints, hostEndpoints } from '../../src/mesh/endpoints.ts';
import { aGateway, aNode } from '../support/builders.ts';

type Endpoint = NonNullable<NonNullable<Parameters<typeof aGateway>[0]>['spec']>['endpoint'];

const nodeA = aNode('a', {
  addresses: [
    { type: 'Hostname', address: 'a.example.com' },
    { type: 'InternalIP', address: '192.0.2.1' },
    { type: 'ExternalIP', address: '203.0.113.1' },
  ],
});
const nodeB = aNode('b', {
  addresses: [
    { type: 'InternalIP', address: '192.0.2.2' },
    { type: 'InternalIP', address: '2001:db8::2' },
  ],
});

const balanced = (ingress: readonly object[], spec: object = {}) =>
  serviceType.parse({
    metadata: { name: 'sallyport-default', namespace: 'sallyport-system' },
    spec: { type: 'LoadBalancer', ports: [{ port: 51840, protocol: 'UDP', nodePort: 31840 }], ...spec },
    status: { loadBalancer: { ingress } },
  });

function endpoints(endpoint: Endpoint, sources: Partial<Parameters<typeof findEndpoints>[1]> = {}): string[] {
  const gateway = aGateway({ spec: endpoint === undefined ? {} : { endpoint } });
  const found = findEndpoints(gateway, { slot: 1, nodes: [nodeA, nodeB], dns: { kind: 'unserved' }, ...sources });
  return found.endpoints.map(({ endpoint, source }) => `${source} ${endpoint}`);
}

const NODES = ['Node 203.0.113.1:51840', 'Node 192.0.2.1:51840', 'Node 192.0.2.2:51840', 'Node [2001:db8::2]:51840'];

describe('devices dial', () => {
  test('the nodes where nothing is said: external addresses before internal ones, never a Hostname', () => {
    expect(endpoints(undefined)).toEqual(NODES);
  });

  test('the same nodes in the same order, in whatever order they come', () => {
    expect(endpoints(undefined, { nodes: [nodeB, nodeA] })).toEqual(NODES);
  });

  test('hosts alone where hosts are named, in their order, with listenPort where there is none', () => {
    expect(endpoints({ hosts: ['vpn.example.com', '203.0.113.9:443', '2001:db8::9'] })).toEqual([
      'Host vpn.example.com:51840',
      'Host 203.0.113.9:443',
      'Host [2001:db8::9]:51840',
    ]);
  });

  test('hosts, then the Service, then the nodes where all are asked for', () => {
    const service = balanced([{ ip: '198.51.100.4' }]);
    expect(endpoints({ hosts: ['vpn.example.com'], service: {}, nodeAddresses: true }, { service })).toEqual([
      'Host vpn.example.com:51840',
      'Service 198.51.100.4:51840',
      ...NODES,
    ]);
  });

  test.each([
    ['an address', [{ ip: '198.51.100.4' }], ['Service 198.51.100.4:51840']],
    ['a name', [{ hostname: 'lb.example.com' }], ['Service lb.example.com:51840']],
    [
      'several',
      [{ ip: '198.51.100.4' }, { ip: '2001:db8::4' }],
      ['Service 198.51.100.4:51840', 'Service [2001:db8::4]:51840'],
    ],
    ['nothing yet', [], []],
    ['an entry without either', [{}], []],
  ])('a load balancer that has %s', (_what, ingress, expected) => {
    expect(endpoints({ service: {} }, { service: balanced(ingress) })).toEqual(expected);
  });

  test('nobody while the Service does not exist', () => {
    expect(endpoints({ service: {} })).toEqual([]);
  });

  test("every node's node port for a NodePort Service, and not the load balancer's address that it had before", () => {
    const service = balanced([{ ip: '198.51.100.4' }], { type: 'NodePort' });
    expect(endpoints({ service: { type: 'NodePort' } }, { service })).toEqual(
      NODES.map((text) => text.replace('Node', 'Service').replace(/51840$/, '31840')),
    );
  });

  test('no Service that is not asked for, even while it still exists', () => {
    expect(endpoints({ hosts: ['vpn.example.com'] }, { service: balanced([{ ip: '198.51.100.4' }]) })).toHaveLength(1);
  });

  test('each endpoint once, where it is preferred most', () => {
    const service = balanced([{ ip: '203.0.113.1' }]);
    expect(endpoints({ hosts: ['203.0.113.1:51840'], service: {}, nodeAddresses: true }, { service })).toEqual([
      'Host 203.0.113.1:51840',
      ...NODES.slice(1),
    ]);
  });

  test('names in DNS after hosts and before what they lead to', () => {
    const object = dnsEndpointType.parse({ metadata: { name: 'x' }, status: { observedGeneration: 1 } });
    const dns = { kind: 'served' as const, object };
    const asked = { hosts: ['vpn.example.com'], dns: { hostnames: ['dns.example.com'] } };
    expect(endpoints({ ...asked, nodeAddresses: true }, { dns })).toEqual([
      'Host vpn.example.com:51840',
      'DNS dns.example.com:51840',
      ...NODES,
    ]);
    expect(endpoints(asked, { dns })).toHaveLength(2);
    const service = balanced([{ ip: '198.51.100.4' }]);
    expect(endpoints({ dns: { hostnames: ['dns.example.com'] }, service: {} }, { service })).toEqual([
      'DNS dns.example.com:51840',
      'Service 198.51.100.4:51840',
    ]);
  });

  test('a node where its annotation says, also behind a NodePort', () => {
    const nodes = [aNode('a', { annotations: { 'sallyport.dev/endpoint': '198.51.100.7:4500' } })];
    expect(endpoints(undefined, { nodes })).toEqual(['Node 198.51.100.7:4500']);
    const service = balanced([], { type: 'NodePort' });
    expect(endpoints({ service: { type: 'NodePort' } }, { service, nodes })).toEqual(['Service 198.51.100.7:4500']);
  });

  test('no node address that is none', () => {
    expect(
      endpoints(undefined, { nodes: [aNode('x', { addresses: [{ type: 'InternalIP', address: 'x' }] })] }),
    ).toEqual([]);
  });
});

test('hosts that are none are refused one by one', () => {
  const hosts = hostEndpoints(
    aGateway({ spec: { endpoint: { hosts: ['good.example.com', 'bad host', '1.2.3.4:0'] } } }),
    1,
  );
  expect(hosts.map(({ ok }) => ok)).toEqual([true, false, false]);
});

describe('what should be a way in and is none', () => {
  type Sources = Partial<Parameters<typeof findEndpoints>[1]>;
  const problems = (endpoint: NonNullable<Endpoint>, sources: Sources) =>
    findEndpoints(aGateway({ spec: { endpoint } }), { slot: 1, nodes: [nodeA], dns: { kind: 'unserved' }, ...sources })
      .problems;
  const annotated = (text: string) => aNode('n', { annotations: { 'sallyport.dev/endpoint': text } });
  const names = { dns: { hostnames: ['dns.example.com'] } };

  // Refusals of the API server come with the attempt.
  test.each<[string, NonNullable<Endpoint>, Sources]>([
    ['InvalidAnnotation', {}, { nodes: [annotated('bad host')] }],
    ['InvalidAddress', {}, { nodes: [aNode('n', { addresses: [{ type: 'InternalIP', address: 'x' }] })] }],
    ['InvalidAddress', { service: {} }, { service: balanced([{ ip: 'bad host' }, { ip: '198.51.100.4' }]) }],
    ['SecondPortUnknown', {}, { slot: 2, nodes: [annotated('198.51.100.7:4500')] }],
    ['WaitingForService', { service: {} }, { service: balanced([]) }],
    ['DNSNotServed', names, {}],
    ['NothingToPublish', names, { nodes: [], dns: { kind: 'served', object: undefined } }],
    ['WaitingForDNS', names, { dns: { kind: 'served', object: undefined } }],
  ])('%s', (reason, endpoint, sources) => {
    expect(problems(endpoint, sources).map((problem) => problem.reason)).toEqual([reason]);
  });

  test('of a Service says where to look and what to do without', () => {
    const expected =
      /Service sallyport-default has no address.*kubectl get services.*spec\.endpoint\.hosts.*nodeAddresses/;
    for (const service of [undefined, balanced([]), balanced([], { type: 'NodePort', ports: [{ port: 51840 }] })])
      expect(problems({ service: {} }, { service })).toEqual([
        { reason: 'WaitingForService', message: expect.stringMatching(expected) },
      ]);
  });

  test('of a node is told once, however often it counts', () => {
    const service = balanced([], { type: 'NodePort' });
    const asked = { ...names, service: { type: 'NodePort' as const }, nodeAddresses: true };
    expect(problems(asked, { service, nodes: [annotated('bad host')] })).toHaveLength(1);
  });

  test('of nodes nobody dials is not told', () => {
    expect(problems({ hosts: ['vpn.example.com'] }, { nodes: [annotated('bad host')] })).toEqual([]);
  });
});
