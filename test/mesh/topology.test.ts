import { describe, expect, test } from 'vitest';
import { topology } from '../../src/mesh/topology.ts';
import { aCondition, aGateway, aKey, aServedGateway } from '../support/builders.ts';

describe('what a gateway is served with', () => {
  test('is what the operator decided', () => {
    const gateway = aServedGateway({
      spec: { advertise: { cidrs: ['172.16.0.0/12'] } },
      status: { dns: { servers: ['10.96.0.10'], domain: 'example.internal' } },
    });
    expect(topology(gateway)).toEqual({
      gateway,
      publicKey: aKey('gateway default'),
      listenPort: 51840,
      device: 'wg-default',
      addresses: ['10.213.0.1'],
      pool: ['10.213.0.0/16'],
      serviceCidrs: ['10.96.0.0/12'],
      cidrs: ['172.16.0.0/12'],
      keptFromInternet: undefined,
      dnsServers: ['10.96.0.10'],
      domain: 'example.internal',
    });
  });

  test.each([
    ['nobody has judged it', aGateway()],
    ['it is refused', aServedGateway({ status: { conditions: [aCondition('Accepted', 'False')] } })],
    ['it has no key yet', aGateway({ status: { conditions: [aCondition('Accepted', 'True')] } })],
  ])('is nothing while %s', (_why, gateway) => {
    expect(topology(gateway)).toBeUndefined();
  });

  test('holds no service CIDRs where Services are not advertised', () => {
    const gateway = aServedGateway({ spec: { advertise: { services: { enabled: false } } } });
    expect(topology(gateway)?.serviceCidrs).toEqual([]);
  });

  test('holds each range once, sorted, and no range inside another, whatever was stored', () => {
    const texts = ['10.96.0.0/12', '10.100.0.0/16', 'fd00:1::/108', '10.96.0.0/12', 'nonsense', '10.0.0.0/16'];
    const gateway = aServedGateway({ status: { serviceCIDRs: texts.map((cidr) => ({ cidr, source: '' })) } });
    expect(topology(gateway)?.serviceCidrs).toEqual(['10.0.0.0/16', '10.96.0.0/12', 'fd00:1::/108']);
  });

  test('takes the domain of the spec until a resolver is found', () => {
    expect(topology(aServedGateway({ spec: { dns: { domain: 'example.internal' } } }))?.domain).toBe(
      'example.internal',
    );
  });
});
