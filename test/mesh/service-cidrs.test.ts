import { describe, expect, test } from 'vitest';
import { configMapType, serviceCidrType } from '../../src/api/core.ts';
import { findServiceCidrs } from '../../src/mesh/service-cidrs.ts';
import { aGateway } from '../support/builders.ts';

const object = (name: string, cidrs: readonly string[], metadata = {}) =>
  serviceCidrType.parse({ metadata: { name, ...metadata }, spec: { cidrs } });

const kubeadm = (serviceSubnet: string) =>
  configMapType.parse({
    metadata: { name: 'kubeadm-config', namespace: 'kube-system' },
    data: {
      ClusterConfiguration: `apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nnetworking:\n  dnsDomain: cluster.local\n  podSubnet: 10.244.0.0/16\n  serviceSubnet: ${serviceSubnet}\nscheduler: {}\n`,
    },
  });

const explicit = (cidrs: string[]) => aGateway({ spec: { advertise: { services: { cidrs } } } });

describe('service CIDRs come from', () => {
  const objects = [object('kubernetes', ['10.96.0.0/12'])];

  test('the gateway itself before anything else', () => {
    const sources = { serviceCidrs: objects, kubeadmConfig: kubeadm('10.1.0.0/16') };
    expect(findServiceCidrs(explicit(['10.43.0.0/16']), sources)).toEqual([
      { cidr: '10.43.0.0/16', source: 'spec.advertise.services.cidrs' },
    ]);
  });

  test('ServiceCIDR objects before the kubeadm configuration', () => {
    expect(findServiceCidrs(aGateway(), { serviceCidrs: objects, kubeadmConfig: kubeadm('10.1.0.0/16') })).toEqual([
      { cidr: '10.96.0.0/12', source: 'ServiceCIDR kubernetes' },
    ]);
  });

  test.each([
    ['bare', '10.1.0.0/16', ['10.1.0.0/16']],
    ['quoted', '"10.1.0.0/16"', ['10.1.0.0/16']],
    ['of both families', '10.1.0.0/16,fd00:1::/108', ['10.1.0.0/16', 'fd00:1::/108']],
    ['absent', '""', []],
    ['unreadable', 'see values', []],
  ])('the kubeadm configuration, where it is %s', (_how, text, cidrs) => {
    const found = findServiceCidrs(aGateway(), { serviceCidrs: [], kubeadmConfig: kubeadm(text) });
    expect(found.map(({ cidr }) => cidr)).toEqual(cidrs);
    expect(found.every(({ source }) => source === 'ConfigMap kube-system/kubeadm-config')).toBe(true);
  });

  test('nowhere', () => {
    expect(findServiceCidrs(aGateway(), { serviceCidrs: [] })).toEqual([]);
    expect(
      findServiceCidrs(aGateway(), {
        serviceCidrs: [],
        kubeadmConfig: configMapType.parse({ metadata: { name: 'x' } }),
      }),
    ).toEqual([]);
  });
});

describe('several ServiceCIDR objects', () => {
  test('count all, sorted, IPv4 first, in whatever order they come', () => {
    const objects = [object('extra', ['10.200.0.0/16']), object('kubernetes', ['fd00:1::/108', '10.96.0.0/12'])];
    const expected = ['10.96.0.0/12', '10.200.0.0/16', 'fd00:1::/108'];
    expect(findServiceCidrs(aGateway(), { serviceCidrs: objects }).map(({ cidr }) => cidr)).toEqual(expected);
    expect(findServiceCidrs(aGateway(), { serviceCidrs: objects.reverse() }).map(({ cidr }) => cidr)).toEqual(expected);
  });

  test('count while they are being deleted, because Services keep their addresses until they are gone', () => {
    const leaving = object('extra', ['10.200.0.0/16'], { deletionTimestamp: '2026-08-01T00:00:00Z' });
    expect(findServiceCidrs(aGateway(), { serviceCidrs: [leaving] })).toHaveLength(1);
  });

  test('with one range count once, with the same source whatever their order', () => {
    const objects = [object('b', ['10.96.0.0/12']), object('a', ['10.96.0.0/12'])];
    const expected = [{ cidr: '10.96.0.0/12', source: 'ServiceCIDR a' }];
    expect(findServiceCidrs(aGateway(), { serviceCidrs: objects })).toEqual(expected);
    expect(findServiceCidrs(aGateway(), { serviceCidrs: objects.reverse() })).toEqual(expected);
  });
});
