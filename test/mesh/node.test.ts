import { describe, expect, test } from 'vitest';
import { nodeNames, planNode, probePeer } from '../../src/mesh/node.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import { type Topology, topology } from '../../src/mesh/topology.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import { aKey, aMember, aServedGateway, type GatewayParts, NOW, POOL, POOL6, someFacts } from '../support/builders.ts';

function served(parts: GatewayParts = {}): Topology {
  const result = topology(aServedGateway(parts));
  if (result === undefined) throw new Error('the gateway is not served');
  return result;
}

const dual = served({ status: { pool: [POOL, POOL6], addresses: ['10.213.0.1', 'fd5a:11:22::1'] } });
const { wanted: peers } = peerTable(
  'default',
  [aMember({ status: { addresses: ['10.213.0.20', 'fd5a:11:22::20'] } })],
  NOW,
);

describe('the plan of a node', () => {
  test('has an interface with the addresses, the port and the key of the gateway, and a route to each pool', () => {
    const plan = planNode(dual, { facts: someFacts(), peers });
    expect(plan.device).toEqual({
      name: 'wg-default',
      dataplane: 'Auto',
      listenPort: 51840,
      mtu: 1420,
      addresses: ['10.213.0.1/32', 'fd5a:11:22::1/128'],
      publicKey: aKey('gateway default'),
      peers,
    });
    expect(plan.ruleset.table).toBe('sallyport_default');
    expect(plan.routes).toEqual([
      { destination: POOL, device: 'wg-default' },
      { destination: POOL6, device: 'wg-default' },
    ]);
  });

  test('is the same on nodes with equal facts', () => {
    const plan = planNode(dual, { facts: someFacts({ node: 'a', bootId: '1' }), peers });
    expect(planNode(dual, { facts: someFacts({ node: 'b', bootId: '2' }), peers })).toEqual(plan);
  });

  test('leaves IPv6 out where the node does not speak it', () => {
    const plan = planNode(dual, { facts: someFacts({ ipv6: false }), peers });
    expect(plan.device.addresses).toEqual(['10.213.0.1/32']);
    expect(plan.routes).toEqual([{ destination: POOL, device: 'wg-default' }]);
    expect(plan.ruleset.sets.find(({ name }) => name === 'pool6')?.elements).toEqual([]);
    expect(plan.ruleset.sets.find(({ name }) => name === 'gateway6')?.elements).toEqual([]);
  });

  test('refuses those who have too many connections open, unless the gateway has no limit', () => {
    const full = ['10.213.0.20'] as IpAddress[];
    const set = (parts: GatewayParts) =>
      planNode(served(parts), { facts: someFacts(), peers, full }).ruleset.sets.find(({ name }) => name === 'full4');
    expect(set({})?.elements).toEqual(['10.213.0.20']);
    expect(set({ spec: { access: { maxConnections: 0 } } })).toBeUndefined();
  });

  test('leads nobody over IPv6 where the node does not speak it, whichever key they came by', () => {
    const key = { slot: 1, listenPort: 51840, interface: 'wg-default' } as const;
    const keys = [
      { ...key, publicKey: aKey('former'), state: 'Former' as const },
      { publicKey: aKey('new'), state: 'Current' as const, slot: 2, listenPort: 51841, interface: 'wg-default_2' },
    ];
    const status = { pool: [POOL, POOL6], addresses: ['10.213.0.1', 'fd5a:11:22::1'], publicKey: aKey('new'), keys };
    const moved = ['10.213.0.20/32', 'fd5a:11:22::20/128'] as Cidr[];
    const plan = planNode(served({ status }), { facts: someFacts({ ipv6: false }), peers, other: { moved } });
    expect(plan.routes.filter(({ destination }) => destination.includes(':'))).toEqual([]);
    expect(plan.routes).toContainEqual({ destination: '10.213.0.20/32', device: 'wg-default_2' });
  });

  test.each([
    ['80 less than an Ethernet', undefined, 1500, 1420],
    ['80 less than a jumbo frame', undefined, 9001, 8921],
    ['never less than IPv6 needs', undefined, 1300, 1280],
    ['what the gateway says', 1340, 1500, 1340],
  ])('has an MTU that is %s', (_what, mtu, underlayMtu, expected) => {
    const gateway = served(mtu === undefined ? {} : { spec: { mtu } });
    expect(planNode(gateway, { facts: someFacts({ underlayMtu }), peers }).device.mtu).toBe(expected);
  });

  test('holds no private key, so it may be printed', () => {
    expect(JSON.stringify(planNode(dual, { facts: someFacts(), peers }))).not.toMatch(/private/i);
  });
});

test('a gateway has one set of names on every node, which are different from those of every other gateway', () => {
  expect(nodeNames('default')).toEqual({ device: 'wg-default', other: 'wg-default_2', table: 'sallyport_default' });
  const long = ['a-rather-long-gateway-name-1', 'a-rather-long-gateway-name-2'].map((name) => nodeNames(name));
  expect(new Set(long.flatMap(({ device, table }) => [device, table])).size).toBe(4);
  expect(long.every(({ device }) => device.length <= 15)).toBe(true);
});

test('a probe peer has the reserved address of each pool', () => {
  expect(probePeer(aKey('probe'), [POOL6, POOL])).toEqual({
    publicKey: aKey('probe'),
    allowedIPs: ['10.213.0.15/32', 'fd5a:11:22::f/128'],
  });
});
