import { describe, expect, test } from 'vitest';
import { dnsEndpointType } from '../../src/api/dns-endpoint.ts';
import { type DnsSight, findNames } from '../../src/mesh/dns-names.ts';
import type { FoundEndpoint } from '../../src/mesh/found-endpoint.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { aGateway, type GatewayParts } from '../support/builders.ts';

const node = (name: string, endpoint: string): FoundEndpoint => ({
  endpoint: endpoint as Endpoint,
  source: 'Node',
  nodes: [name],
  address: 'ExternalIP',
});
const NODES = [node('a', '203.0.113.1:51840'), node('b', '[2001:db8::2]:51840'), node('c', '203.0.113.3:4500')];
const BALANCER: FoundEndpoint = { endpoint: '198.51.100.4:51840' as Endpoint, source: 'Service' };

const object = (status: object) =>
  dnsEndpointType.parse({ metadata: { name: 'sallyport-default', namespace: 'sallyport-system' }, status });
const TAKEN_UP: DnsSight = { kind: 'served', object: object({ observedGeneration: 1 }) };

interface Asked {
  readonly dns?: object;
  readonly service?: object;
  readonly sight?: DnsSight;
  readonly sources?: { readonly service?: readonly FoundEndpoint[]; readonly nodes?: readonly FoundEndpoint[] };
  readonly status?: GatewayParts['status'];
}

function names({ dns = {}, service, sight = TAKEN_UP, sources = {}, status }: Asked = {}) {
  const endpoint = { dns: { hostnames: ['vpn.example.com'], ...dns }, ...(service === undefined ? {} : { service }) };
  const gateway = aGateway({ spec: { endpoint }, status });
  const found = findNames(gateway, {
    service: sources.service ?? (service === undefined ? undefined : [BALANCER]),
    nodes: sources.nodes ?? NODES,
    dns: sight,
  });
  return {
    ...found,
    publication: found.publication,
    told: found.endpoints.map(({ endpoint }) => endpoint),
    reasons: found.problems.map(({ reason }) => reason),
  };
}

test('a gateway without names has none', () => {
  expect(findNames(aGateway(), { service: undefined, nodes: NODES, dns: TAKEN_UP })).toEqual({
    endpoints: [],
    problems: [],
  });
});

describe('by a DNSEndpoint', () => {
  test('a name stands for what has the port of the first address, and devices are told it', () => {
    const { told, endpoints, publication, problems } = names({
      dns: { hostnames: ['VPN.example.com.', 'b.example.com'] },
    });
    expect(told).toEqual(['vpn.example.com:51840', 'b.example.com:51840']);
    expect(endpoints[0]).toMatchObject({ source: 'DNS', nodes: ['a', 'b'] });
    expect(publication).toEqual({
      hostnames: ['vpn.example.com', 'b.example.com'],
      ttlSeconds: 60,
      targets: NODES.slice(0, 2),
    });
    expect(problems).toEqual([]);
  });

  test('has the port that a router forwards', () => {
    expect(names({ sources: { nodes: NODES.slice(2) } }).told).toEqual(['vpn.example.com:4500']);
  });

  test('leads to the Service where there is one', () => {
    const { publication, endpoints } = names({ dns: { publishedBy: 'DNSEndpoint' }, service: {} });
    expect(publication?.targets).toEqual([BALANCER]);
    expect(endpoints).toEqual([{ endpoint: 'vpn.example.com:51840', source: 'DNS' }]);
  });

  test('never leads to itself', () => {
    const { publication } = names({ sources: { nodes: [node('a', 'vpn.example.com:51840'), ...NODES] } });
    expect(publication?.targets).toEqual(NODES.slice(0, 2));
  });

  test.each<[string, Asked, string, RegExp]>([
    [
      'there is no such resource',
      { sight: { kind: 'unserved' } },
      'DNSNotServed',
      /vpn\.example\.com.*externaldns\.k8s\.io\/v1alpha1.*--source=crd.*spec\.endpoint\.service/,
    ],
    [
      'nobody has taken it up',
      { sight: { kind: 'served', object: object({}) } },
      'WaitingForDNS',
      /sallyport-system\/sallyport-default.*--source=crd/,
    ],
    ['it is not there yet', { sight: { kind: 'served', object: undefined } }, 'WaitingForDNS', /sallyport-default/],
    ['nothing has an address', { sources: { nodes: [] } }, 'NothingToPublish', /vpn\.example\.com/],
  ])('is not told where %s', (_what, asked, reason, sentence) => {
    const { told, problems } = names(asked);
    expect(told).toEqual([]);
    expect(problems).toEqual([{ reason, message: expect.stringMatching(sentence) }]);
  });

  test('is told, with what external-dns says against it, where that refuses a later one', () => {
    const conditions = [{ type: 'Accepted', status: 'False', reason: 'Invalid', message: 'spec.endpoints[0]: no' }];
    const { told, problems } = names({
      sight: { kind: 'served', object: object({ observedGeneration: 2, conditions }) },
    });
    expect(told).toEqual(['vpn.example.com:51840']);
    expect(problems).toEqual([{ reason: 'DNSRefused', message: expect.stringContaining('spec.endpoints[0]: no') }]);
  });

  test('is told while nobody knows only if it was before, so that a new operator rewrites nothing', () => {
    const sight: DnsSight = { kind: 'unknown' };
    const before = { endpoints: [{ endpoint: 'vpn.example.com:51840', source: 'DNS' as const }] };
    expect(names({ sight })).toMatchObject({ told: [], reasons: [], publication: undefined });
    expect(names({ sight, status: before })).toMatchObject({ told: ['vpn.example.com:51840'], reasons: [] });
  });
});

describe("by the Service's annotation", () => {
  test('is told once the Service has an address, without any DNSEndpoint', () => {
    const sight: DnsSight = { kind: 'unserved' };
    expect(names({ service: {}, sight })).toMatchObject({
      told: ['vpn.example.com:51840'],
      reasons: [],
      publication: undefined,
    });
    expect(names({ service: {}, sight, sources: { service: [] } }).told).toEqual([]);
  });

  test('has the NodePort, and not the port that an annotation of a Node names: external-dns does not read that', () => {
    const service = [
      { ...node('a', '203.0.113.9:4500'), source: 'Service' as const, address: 'Annotation' as const },
      { ...node('b', '203.0.113.2:31840'), source: 'Service' as const },
    ];
    expect(names({ service: { type: 'NodePort' }, sources: { service } }).told).toEqual(['vpn.example.com:31840']);
  });
});
