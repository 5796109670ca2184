import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keptFromInternet, NOT_PUBLIC, publicClusterCidrs } from '../../src/mesh/internet.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { type Cidr, cidrContains, normalizeCidrs } from '../../src/net/cidr.ts';
import { addressesOf } from '../net/arbitraries.ts';
import { aNode, aServedGateway, type GatewayParts } from '../support/builders.ts';

const isKept = (kept: readonly Cidr[], address: string) =>
  kept.some((cidr) => cidrContains(cidr, address as IpAddress));

describe('what is not public', () => {
  test('is a list without overlaps', () => {
    expect(normalizeCidrs(NOT_PUBLIC)).toEqual(NOT_PUBLIC);
  });

  test.each([
    ['private', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', 'fd00::1', 'fc00::1'],
    ['link-local', '169.254.1.1', 'fe80::1', 'febf::1'],
    ['metadata', '169.254.169.254', 'fd00:ec2::254', 'fd20:ce::254', '100.100.100.200', '192.0.0.192', '168.63.129.16'],
    ['loopback and this host', '127.0.0.1', '127.255.255.254', '0.0.0.0', '0.1.2.3', '::', '::1'],
    ['multicast and broadcast', '224.0.0.251', '239.255.255.255', '255.255.255.255', 'ff02::1', 'ff0e::1'],
    ['reserved', '240.0.0.1', '198.18.0.1', '100.64.0.1', '4000::1', '5f00::1'],
    ['IPv4 in IPv6', '::ffff:10.0.0.1', '64:ff9b::a00:1', '64:ff9b:1::1', '2002:a00:1::', '2001:0:1::'],
    ['for examples', '192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
  ])('holds %s addresses', (_what, ...addresses) => {
    for (const address of addresses) expect([address, isKept(NOT_PUBLIC, address)]).toEqual([address, true]);
  });

  test.each([
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '172.15.0.1',
    '172.32.0.1',
    '192.169.0.1',
    '223.255.255.255',
  ])('does not hold %s', (address) => {
    expect(isKept(NOT_PUBLIC, address)).toBe(false);
  });

  test.each(['2606:4700:4700::1111', '2001:4860:4860::8888', '2a00:1450::1', '2001:200::1', '2400::1', '3ffe::1'])(
    'does not hold %s',
    (address) => {
      expect(isKept(NOT_PUBLIC, address)).toBe(false);
    },
  );
});

describe('what of a cluster looks public', () => {
  const nodes = (...addresses: readonly string[]) =>
    addresses.map((address, at) =>
      aNode(`n${at}`, {
        addresses: [address, '10.1.0.1', 'not-an-address'].map((text) => ({ type: 'ExternalIP', address: text })),
      }),
    );
  const none = { serviceCidrs: [] };

  test('is told: nodes, pods, Services and the mesh, but not what is kept out anyway', () => {
    const pods = aNode('pods', { podCIDRs: ['2a00:1::/64', '10.244.0.0/24'] });
    const view = { nodes: [...nodes('198.41.0.4', '2a00:2::2'), pods], pool: ['44.0.0.0/16' as Cidr] };
    const services = [
      { cidr: '45.96.0.0/12' as Cidr, source: '' },
      { cidr: '10.96.0.0/12' as Cidr, source: '' },
    ];
    expect(publicClusterCidrs(view, { serviceCidrs: services }, 10)).toEqual([
      '44.0.0.0/16',
      '45.96.0.0/12',
      '198.41.0.4/32',
      '2a00:1::/64',
      '2a00:2::2/128',
    ]);
  });

  test('is told in wider prefixes where there are too many, which leave nothing out', () => {
    const both = fc.uniqueArray(fc.oneof(addressesOf(4), addressesOf(6)), { maxLength: 40 });
    fc.assert(
      fc.property(both, fc.integer({ min: 2, max: 10 }), (all, most) => {
        const told = publicClusterCidrs({ nodes: nodes(...all), pool: [] }, none, most);
        expect(told.length).toBeLessThanOrEqual(most);
        for (const address of all) expect(isKept([...NOT_PUBLIC, ...told], address)).toBe(true);
      }),
    );
  });
});

describe('who may use the internet', () => {
  const gateway = (
    parts: GatewayParts['spec'],
    status: GatewayParts['status'] = { internet: { excluded: ['198.41.0.4/32'] } },
  ) => keptFromInternet(aServedGateway({ ...(parts === undefined ? {} : { spec: parts }), status }));
  const internet = { enabled: true, except: ['1.1.1.0/24'] };

  test('is nobody by default, nor before the operator has said what is kept from them', () => {
    expect(gateway({})).toBeUndefined();
    expect(gateway({ advertise: { internet } }, {})).toBeUndefined();
  });

  test('is everybody once it is enabled, but for the cluster and what the gateway names', () => {
    const kept = gateway({ advertise: { internet } }) ?? [];
    for (const address of ['198.41.0.4', '1.1.1.1', '10.0.0.1', '10.213.0.7']) expect(isKept(kept, address)).toBe(true);
    expect(isKept(kept, '8.8.8.8')).toBe(false);
  });

  test('is nobody where access is denied by default, unless the gateway says so', () => {
    const access = { default: 'Deny' as const };
    expect(gateway({ access, advertise: { internet } })).toBeUndefined();
    expect(gateway({ access, advertise: { internet: { ...internet, access: 'Allow' } } })).toBeDefined();
  });

  test('does not lead to a public range that the gateway advertises, where that takes a grant', () => {
    const advertise = { cidrs: ['45.7.0.0/16'], internet: { ...internet, access: 'Allow' as const } };
    const denying = gateway({ access: { default: 'Deny' }, advertise }) ?? [];
    expect(isKept(denying, '45.7.0.1')).toBe(true);
    expect(isKept(gateway({ advertise }) ?? [], '45.7.0.1')).toBe(false);
  });
});
