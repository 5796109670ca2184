import { describe, expect, test } from 'vitest';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import { type GatewayFindings, gatewayViolation, ownGatewayAddresses } from '../../src/mesh/gateway-checks.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import {
  aCondition,
  aGateway,
  aKey,
  aNode,
  aReport,
  aServedGateway,
  aView,
  POOL,
  POOL6,
  someFindings,
  type ViewParts,
} from '../support/builders.ts';

const gateway = aGateway();

function violation(
  spec: NonNullable<Parameters<typeof aGateway>[0]>['spec'],
  findings: Partial<GatewayFindings> = {},
  view: ViewParts = {},
) {
  const subject = aGateway({ spec: spec ?? {} });
  return gatewayViolation(aView({ gateways: [subject], ...view }), subject, someFindings(findings));
}

test('a gateway of a healthy cluster is served', () => {
  expect(violation({})).toBeUndefined();
});

describe('a gateway is refused, with the field or the remedy named', () => {
  const cidr = (text: string) => ({ cidr: text as Cidr, source: 'ServiceCIDR kubernetes' });
  const endpoint = (text: string) => ({ endpoint: text as Endpoint, source: 'Host' as const });

  test.each<[string, string, ReturnType<typeof violation>, readonly string[]]>([
    [
      'a host that is none',
      'InvalidEndpoint',
      violation({ endpoint: { hosts: ['bad host'] } }),
      ['spec.endpoint.hosts', 'bad host'],
    ],
    [
      'a pool that overlaps Services',
      'PoolOverlap',
      violation({}, { serviceCidrs: [cidr('10.192.0.0/10')] }),
      ['10.213.0.0/16', '10.192.0.0/10', 'ServiceCIDR kubernetes', 'pool.cidrs'],
    ],
    [
      'a pool that overlaps pods',
      'PoolOverlap',
      violation({}, {}, { nodes: [aNode('n', { podCIDRs: ['10.213.1.0/24'] })] }),
      ['10.213.1.0/24', 'node n', 'pool.cidrs'],
    ],
    [
      'a pool that holds a node',
      'PoolOverlap',
      violation({}, {}, { nodes: [aNode('n', { addresses: [{ type: 'InternalIP', address: '10.213.9.9' }] })] }),
      ['10.213.9.9', 'node n', 'pool.cidrs'],
    ],
    [
      'an advertised range to which a name in DNS is to lead',
      'AdvertiseOverlap',
      violation(
        { advertise: { cidrs: ['203.0.113.0/24'] } },
        { publication: { hostnames: [], ttlSeconds: 60, targets: [endpoint('203.0.113.9:51840')] } },
      ),
      ['spec.advertise.cidrs', '203.0.113.9:51840', 'spec.endpoint.hosts'],
    ],
    [
      'an advertised range that overlaps the pool',
      'AdvertiseOverlap',
      violation({ advertise: { cidrs: ['10.0.0.0/8'] } }),
      ['spec.advertise.cidrs', '10.0.0.0/8', '10.213.0.0/16'],
    ],
    [
      'an advertised range with an endpoint inside',
      'AdvertiseOverlap',
      violation({ advertise: { cidrs: ['192.0.2.0/24'] } }, { endpoints: [endpoint('192.0.2.10:51840')] }),
      ['spec.advertise.cidrs', '192.0.2.10:51840', 'spec.endpoint.hosts'],
    ],
    [
      'an advertised range with an IPv6 endpoint inside',
      'AdvertiseOverlap',
      violation({ advertise: { cidrs: ['2001:db8::/32'] } }, { endpoints: [endpoint('[2001:db8::9]:51840')] }),
      ['[2001:db8::9]:51840'],
    ],
    [
      'unknown service CIDRs',
      'ServiceCIDRUnknown',
      violation({}, { serviceCidrs: [] }),
      ['spec.advertise.services.cidrs', '--service-cluster-ip-range'],
    ],
    [
      'a Secret without a key',
      'InvalidKey',
      violation({}, { key: { ok: false, problem: 'Secret x has no entry privateKey' } }),
      ['Secret x has no entry privateKey.'],
    ],
  ])('%s: %s', (_what, reason, found, words) => {
    expect(found?.reason).toBe(reason);
    for (const word of words) expect(found?.message).toContain(word);
  });

  test('the first thing that is wrong is told, in the order of the list', () => {
    const wrong = { key: { ok: false as const, problem: 'no key' }, serviceCidrs: [] };
    expect(violation({ endpoint: { hosts: ['bad host'] } }, wrong)?.reason).toBe('InvalidEndpoint');
    expect(violation({}, wrong)?.reason).toBe('ServiceCIDRUnknown');
    expect(violation({ advertise: { services: { enabled: false } } }, wrong)?.reason).toBe('InvalidKey');
  });

  test.each<[string, ReturnType<typeof violation>]>([
    [
      'unknown service CIDRs where Services are not advertised',
      violation({ advertise: { services: { enabled: false } } }, { serviceCidrs: [] }),
    ],
    ['an endpoint name inside nothing', violation({ advertise: { cidrs: ['192.0.2.0/24'] } })],
    [
      'a node beside the pool',
      violation({}, {}, { nodes: [aNode('n', { podCIDRs: ['10.212.0.0/16', '10.214.0.0/16'] })] }),
    ],
  ])('but not for %s', (_what, found) => {
    expect(found).toBeUndefined();
  });
});

describe('a node serves one gateway', () => {
  const OLD = '2026-01-01T00:00:00Z';
  const nodes = [aNode('a', { labels: { group: 'a' } }), aNode('b', { labels: { group: 'b' } })];
  const on = (group: string | undefined) => (group === undefined ? {} : { nodeSelector: { group } });
  const takenIn = (view: ViewParts, subject: MeshGateway, ...others: readonly MeshGateway[]) =>
    gatewayViolation(aView({ gateways: [subject, ...others], nodes, ...view }), subject, someFindings())?.message;
  const taken = (subject: MeshGateway, ...others: readonly MeshGateway[]) =>
    takenIn({ reports: [] }, subject, ...others);
  const young = aGateway({ name: 'young', spec: on('a') });
  const accepted = (status: 'True' | 'False') => ({
    status: { conditions: [aCondition('Accepted', status, { observedGeneration: 1 })] },
  });

  test('the older one, while nobody is served', () => {
    const old = aGateway({ name: 'old', created: OLD });
    expect(taken(young, old)).toMatch(/old is older and selects node a.*spec\.nodeSelector/);
    expect(taken(old, young)).toBeUndefined();
  });

  test('each its own', () => {
    expect(taken(young, aGateway({ name: 'old', created: OLD, spec: on('b') }))).toBeUndefined();
  });

  test('the one that is served keeps its nodes, whatever an older one selects later', () => {
    const old = aGateway({ name: 'old', created: OLD });
    const serving = aGateway({ name: 'young', spec: on('a'), ...accepted('True') });
    expect(taken(serving, old)).toBeUndefined();
    expect(taken(old, serving)).toMatch(/young already serves node a.*spec\.nodeSelector/);
  });

  test('a gateway that is itself refused keeps no node from another', () => {
    const refused = aGateway({ name: 'old', created: OLD, ...accepted('False') });
    expect(taken(young, refused)).toBeUndefined();
  });

  test('a refused gateway that nodes still serve keeps them', () => {
    const refused = aGateway({ name: 'old', ...accepted('False') });
    const reports = [aReport({ gateway: 'old', node: 'a' })];
    expect(takenIn({ reports }, young, refused)).toMatch(/old already serves node a/);
  });

  test('a refused gateway that was edited is asked again', () => {
    const edited = aGateway({ name: 'old', created: OLD, metadata: { generation: 2 }, ...accepted('False') });
    expect(taken(young, edited)).toMatch(/old is older/);
  });

  test('the older one where both are served, as after a label was added to a node', () => {
    const old = aGateway({ name: 'old', created: OLD, ...accepted('True') });
    const serving = aGateway({ name: 'young', spec: on('a'), ...accepted('True') });
    expect(taken(serving, old)).toBeDefined();
    expect(taken(old, serving)).toBeUndefined();
  });

  test('another one when the first is being deleted', () => {
    const leaving = aGateway({ name: 'old', created: OLD, metadata: { deletionTimestamp: OLD }, ...accepted('True') });
    expect(taken(young, leaving)).toBeUndefined();
  });
});

describe('one key for one gateway', () => {
  const other = aServedGateway({ name: 'other', created: '2026-01-01T00:00:00Z', spec: { nodeSelector: { x: 'y' } } });
  const subject = aGateway();

  test('a copied Secret is refused, because a device tells its gateways apart by key', () => {
    const findings = someFindings({ key: { ok: true, value: aKey('gateway other') } });
    const found = gatewayViolation(aView({ gateways: [other, subject] }), subject, findings);
    expect(found).toMatchObject({ reason: 'InvalidKey', message: expect.stringContaining('MeshGateway other') });
  });

  test('and the gateway that had it first goes on', () => {
    const findings = someFindings({ key: { ok: true, value: aKey('gateway other') } });
    const copy = aServedGateway({ status: { publicKey: aKey('gateway other') } });
    expect(gatewayViolation(aView({ gateways: [other, copy] }), other, findings)).toBeUndefined();
  });
});

describe("a gateway's own addresses", () => {
  const held = (name: string, created: string, ...addresses: string[]) =>
    aGateway({ name, created, status: { addresses } });
  const OLD = '2026-01-01T00:00:00Z';
  const YOUNG = '2026-02-01T00:00:00Z';
  const addressesOf = (subject: MeshGateway, others: readonly MeshGateway[] = [], pool: readonly Cidr[] = [POOL]) =>
    ownGatewayAddresses(aView({ gateways: [subject, ...others], pool }), subject);

  test('are the first free ones of each pool', () => {
    expect(addressesOf(gateway, [], [POOL, POOL6])).toEqual(['10.213.0.1', 'fd5a:11:22::1']);
    expect(addressesOf(gateway, [held('b', OLD, '10.213.0.1'), held('c', OLD, '10.213.0.3')])).toEqual(['10.213.0.2']);
  });

  test('stay when others go', () => {
    expect(addressesOf(held('a', YOUNG, '10.213.0.7'))).toEqual(['10.213.0.7']);
  });

  test('stay with the older of two that hold the same, and the younger gets others', () => {
    const old = held('old', OLD, '10.213.0.1');
    const young = held('young', YOUNG, '10.213.0.1');
    expect(addressesOf(old, [young])).toEqual(['10.213.0.1']);
    expect(addressesOf(young, [old])).toEqual(['10.213.0.2']);
  });

  test('change with the pool, and gain a family when the pool does', () => {
    expect(addressesOf(held('a', YOUNG, '10.99.0.1'), [], [POOL, POOL6])).toEqual(['10.213.0.1', 'fd5a:11:22::1']);
    expect(addressesOf(held('a', YOUNG, '10.213.0.4'), [], [POOL, POOL6])).toEqual(['10.213.0.4', 'fd5a:11:22::1']);
  });

  test('run out after fourteen gateways', () => {
    const others = Array.from({ length: 14 }, (_, index) => held(`g${index}`, OLD, `10.213.0.${index + 1}`));
    expect(addressesOf(gateway, others)).toEqual([]);
    const view = aView({ gateways: [gateway, ...others], nodes: [] });
    expect(gatewayViolation(view, gateway, someFindings())).toMatchObject({
      reason: 'AddressesExhausted',
      message: expect.stringContaining('delete a MeshGateway'),
    });
  });
});
