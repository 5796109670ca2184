import { describe, expect, test } from 'vitest';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { planClient } from '../../src/mesh/client.ts';
import { type Topology, topology } from '../../src/mesh/topology.ts';
import { wgQuick } from '../../src/mesh/wg-quick.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { aKey, aPeer, aServedGateway, type GatewayParts } from '../support/builders.ts';

const ADDRESS = ['10.213.0.20' as IpAddress];
const DUAL = [...ADDRESS, 'fd5a:11:22::20' as IpAddress];

function served(parts: GatewayParts = {}): Topology {
  const result = topology(aServedGateway(parts));
  if (result === undefined) throw new Error('the gateway is not served');
  return result;
}

/** A gateway that takes the n-th address, and no Services unless it is told to. */
function gateway(name: string, n: number, parts: GatewayParts = {}): Topology {
  return served({ name, ...parts, status: { addresses: [`10.213.0.${n}`], serviceCIDRs: [], ...parts.status } });
}

function textFor(
  peer: MeshPeer,
  addresses: readonly IpAddress[],
  gateways: readonly Topology[],
  mostEndpoints = 4,
): string | undefined {
  const configuration = planClient(peer, { addresses, gateways }, mostEndpoints);
  return configuration && wgQuick(configuration);
}

/** Sections of a wg-quick file, as wg-quick reads them: comments dropped, keys of a section gathered. */
function parse(text: string | undefined): readonly Record<string, string>[] {
  const sections: Record<string, string>[] = [];
  for (const line of (text ?? '').split('\n').map((line) => line.replace(/#.*/, '').trim())) {
    const [, key, value] = /^(\w+)\s*=\s*(.+)$/.exec(line) ?? [];
    if (/^\[\w+\]$/.test(line)) sections.push({ section: line });
    else if (key !== undefined && value !== undefined) Object.assign(sections.at(-1) ?? {}, { [key]: value });
    else if (line !== '') throw new Error(`wg-quick cannot read: ${line}`);
  }
  return sections;
}

function routesOf(text: string | undefined): readonly (string | undefined)[] {
  return parse(text)
    .slice(1)
    .map(({ AllowedIPs }) => AllowedIPs);
}

describe('the configuration of a device', () => {
  test('is a complete wg-quick file but for the private key', () => {
    const status = { mtu: 1420, dns: { servers: ['10.96.0.10'], domain: 'cluster.local' } };
    expect(textFor(aPeer(), ADDRESS, [served({ status })])).toBe(
      `# team-a/ada
# The private key is not in this file. Keep it in /etc/wireguard/INTERFACE.key, readable by root alone.
[Interface]
Address = 10.213.0.20/32
MTU = 1420
DNS = 10.96.0.10, svc.cluster.local, cluster.local
PostUp = wg set %i private-key /etc/wireguard/%i.key

# MeshGateway default, which gives this device its current configuration at http://10.213.0.1:51840/
[Peer]
PublicKey = ${aKey('gateway default')}
AllowedIPs = 10.96.0.0/12, 10.213.0.1/32
Endpoint = default.example.com:51840
PersistentKeepalive = 25
`,
    );
  });

  test('takes the preshared key of a peer that has one from a file, before the first handshake can begin', () => {
    const keyed = aPeer({ spec: { presharedKeySecretName: 'ada-psk' } });
    const text = textFor(keyed, ADDRESS, [gateway('one', 1), gateway('two', 2)]) ?? '';
    expect(text.split('\n').filter((line) => line.startsWith('PostUp'))).toEqual([
      `PostUp = wg set %i peer ${aKey('gateway one')} preshared-key /etc/wireguard/%i.psk`,
      `PostUp = wg set %i peer ${aKey('gateway two')} preshared-key /etc/wireguard/%i.psk`,
      'PostUp = wg set %i private-key /etc/wireguard/%i.key',
    ]);
    expect(text).toContain('# Nor is the preshared key. Keep it in /etc/wireguard/INTERFACE.psk');
  });

  test('never holds a private key', () => {
    const text = textFor(aPeer(), DUAL, [served()]) ?? '';
    expect(parse(text).flatMap(Object.keys)).not.toContain('PrivateKey');
  });

  test('has an address per family, a keepalive only where one is wished, and an MTU only where one is known', () => {
    const [own, peer] = parse(textFor(aPeer({ spec: { persistentKeepalive: 0 } }), DUAL, [served()]));
    expect(own).toEqual({
      section: '[Interface]',
      Address: '10.213.0.20/32, fd5a:11:22::20/128',
      PostUp: 'wg set %i private-key /etc/wireguard/%i.key',
    });
    expect(Object.keys(peer ?? {})).toEqual(['section', 'PublicKey', 'AllowedIPs', 'Endpoint']);
  });

  test.each([
    ['it has no address', [], [served()]],
    ['no gateway lets it in', ADDRESS, []],
    ['no gateway has an endpoint yet', ADDRESS, [served({ status: { endpoints: [] } })]],
  ])('is not there while %s', (_why, addresses, gateways) => {
    expect(textFor(aPeer(), addresses, gateways)).toBeUndefined();
  });

  test('routes nothing of a family in which the device has no address', () => {
    const dual = served({
      status: {
        addresses: ['10.213.0.1', 'fd5a:11:22::1'],
        serviceCIDRs: [
          { cidr: '10.96.0.0/12', source: '' },
          { cidr: 'fd00:1::/108', source: '' },
        ],
        dns: { servers: ['10.96.0.10', 'fd00:1::a'], domain: 'cluster.local' },
      },
    });
    const [own, peer] = parse(textFor(aPeer(), ADDRESS, [dual]));
    expect(peer?.AllowedIPs).toBe('10.96.0.0/12, 10.213.0.1/32');
    expect(own?.DNS).toBe('10.96.0.10, svc.cluster.local, cluster.local');
    expect(routesOf(textFor(aPeer(), DUAL, [dual]))).toEqual([
      '10.96.0.0/12, 10.213.0.1/32, fd00:1::/108, fd5a:11:22::1/128',
    ]);
  });
});

describe('the endpoints of a gateway', () => {
  const endpoints = ['a', 'b', 'c'].map((host) => ({ endpoint: `${host}.example.com:51840`, source: 'Host' as const }));
  const named = (most: number) =>
    planClient(aPeer(), { addresses: ADDRESS, gateways: [served({ status: { endpoints } })] }, most)?.gateways[0]
      ?.endpoints;

  test('are named in order of preference, as many as are asked for', () => {
    expect(named(2)).toEqual(['a.example.com:51840', 'b.example.com:51840']);
    expect(named(9)).toEqual(endpoints.map(({ endpoint }) => endpoint));
  });

  test.each<[string, readonly string[], readonly string[]]>([
    [
      'the first of the other family is among them',
      ['192.0.2.1:1', '192.0.2.2:1', '[2001:db8::1]:1'],
      ['192.0.2.1:1', '[2001:db8::1]:1'],
    ],
    [
      'either family may be the other one',
      ['[2001:db8::1]:1', '[2001:db8::2]:1', '192.0.2.1:1'],
      ['[2001:db8::1]:1', '192.0.2.1:1'],
    ],
    [
      'a name may lead to either',
      ['vpn.example.com:1', '192.0.2.2:1', '[2001:db8::1]:1'],
      ['vpn.example.com:1', '192.0.2.2:1'],
    ],
    ['there may be no other', ['192.0.2.1:1', '192.0.2.2:1', '192.0.2.3:1'], ['192.0.2.1:1', '192.0.2.2:1']],
  ])('lead from a network of one IP family: %s', (_what, all, expected) => {
    const told = all.map((endpoint) => ({ endpoint, source: 'Node' as const }));
    const plan = planClient(aPeer(), { addresses: ADDRESS, gateways: [served({ status: { endpoints: told } })] }, 2);
    expect(plan?.gateways[0]?.endpoints).toEqual(expected);
  });

  test('stand in a comment, because wg-quick takes one only', () => {
    const text = textFor(aPeer(), ADDRESS, [served({ status: { endpoints } })]);
    expect(text).toContain('# Endpoints: a.example.com:51840, b.example.com:51840, c.example.com:51840\n[Peer]\n');
    expect(parse(text)[1]?.Endpoint).toBe('a.example.com:51840');
  });
});

describe('a device of several gateways', () => {
  const services = [{ cidr: '10.96.0.0/12', source: '' }];

  test('reaches a range that two advertise through the one that it prefers', () => {
    const one = gateway('one', 1, { status: { serviceCIDRs: services } });
    const two = gateway('two', 2, {
      status: { serviceCIDRs: services },
      spec: { advertise: { cidrs: ['192.0.2.0/24'] } },
    });
    expect(routesOf(textFor(aPeer(), ADDRESS, [one, two]))).toEqual([
      '10.96.0.0/12, 10.213.0.1/32',
      '10.213.0.2/32, 192.0.2.0/24',
    ]);
    expect(routesOf(textFor(aPeer(), ADDRESS, [two, one]))).toEqual([
      '10.96.0.0/12, 10.213.0.2/32, 192.0.2.0/24',
      '10.213.0.1/32',
    ]);
  });

  test('keeps a wider range of the less preferred one, because the longest prefix wins', () => {
    const narrow = gateway('narrow', 1, { spec: { advertise: { cidrs: ['172.20.0.0/16'] } } });
    const wide = gateway('wide', 2, { spec: { advertise: { cidrs: ['172.16.0.0/12'] } } });
    expect(routesOf(textFor(aPeer(), ADDRESS, [narrow, wide]))).toEqual([
      '10.213.0.1/32, 172.20.0.0/16',
      '10.213.0.2/32, 172.16.0.0/12',
    ]);
  });

  test('gives a part of a range to the less preferred one only when the preferred one does not have the whole', () => {
    const wide = gateway('wide', 1, { spec: { advertise: { cidrs: ['172.16.0.0/12'] } } });
    const narrow = gateway('narrow', 2, { spec: { advertise: { cidrs: ['172.20.0.0/16'] } } });
    expect(routesOf(textFor(aPeer(), ADDRESS, [wide, narrow]))).toEqual([
      '10.213.0.1/32, 172.16.0.0/12',
      '10.213.0.2/32',
    ]);
  });

  test('has the configuration of those that have an endpoint while another waits for its load balancer', () => {
    const waiting = gateway('waiting', 1, { status: { endpoints: [], serviceCIDRs: services, mtu: 1280 } });
    const ready = gateway('ready', 2, { status: { serviceCIDRs: services, mtu: 1400 } });
    const text = textFor(aPeer(), ADDRESS, [waiting, ready]);
    expect(routesOf(text)).toEqual(['10.96.0.0/12, 10.213.0.2/32']);
    expect(parse(text)[0]?.MTU).toBe('1400');
  });

  test('has the smallest MTU of them', () => {
    const one = gateway('one', 1, { status: { mtu: 1420 } });
    const two = gateway('two', 2, { status: { mtu: 1340 } });
    expect(parse(textFor(aPeer(), ADDRESS, [one, two]))[0]?.MTU).toBe('1340');
  });
});

describe('the resolver', () => {
  const dns = { servers: ['10.96.0.10'], domain: 'example.internal' };
  const services = [{ cidr: '10.96.0.0/12', source: '' }];
  const lookup = (...gateways: readonly Topology[]) => parse(textFor(aPeer(), ADDRESS, gateways))[0]?.DNS;

  test('is not named where it is turned off', () => {
    expect(
      lookup(gateway('one', 1, { spec: { dns: { enabled: false } }, status: { dns, serviceCIDRs: services } })),
    ).toBeUndefined();
  });

  test('is not named where the tunnel does not lead to it, because the device would resolve nothing any more', () => {
    const cidrsOnly = gateway('one', 1, {
      spec: { advertise: { services: { enabled: false } } },
      status: { dns, serviceCIDRs: services },
    });
    expect(lookup(cidrsOnly)).toBeUndefined();
  });

  test('is named all the same where a person named it', () => {
    const own = gateway('one', 1, {
      spec: { dns: { servers: ['192.0.2.53'] } },
      status: { dns: { servers: ['192.0.2.53'], domain: 'cluster.local' } },
    });
    expect(lookup(own)).toBe('192.0.2.53, svc.cluster.local, cluster.local');
  });

  test('is that of the most preferred gateway that has one', () => {
    const none = gateway('none', 1, { spec: { dns: { enabled: false } } });
    const one = gateway('one', 2, { status: { dns, serviceCIDRs: services } });
    expect(lookup(none, one)).toBe('10.96.0.10, svc.example.internal, example.internal');
  });
});

describe('a full tunnel', () => {
  const pool = ['10.213.0.0/16', 'fd5a:11:22::/64'];
  const offering: GatewayParts = {
    spec: { advertise: { internet: { enabled: true } } },
    status: { internet: { excluded: [] }, pool },
  };
  const offers = (addresses: readonly IpAddress[], gateways: readonly Topology[]) =>
    planClient(aPeer(), { addresses, gateways }, 4)?.gateways.map(({ internet }) => internet);

  test('is told as an offer, and changes nothing that wg-quick reads', () => {
    const text = textFor(aPeer(), DUAL, [gateway('one', 1, offering)]) ?? '';
    expect(text).toContain('\n# Full tunnel: 0.0.0.0/0, ::/0\n');
    expect(parse(text)).toEqual(parse(textFor(aPeer(), DUAL, [gateway('one', 1, { status: { pool } })])));
  });

  test('is offered in the families that device and mesh have', () => {
    expect(offers(ADDRESS, [gateway('one', 1, offering)])).toEqual([['0.0.0.0/0']]);
    const four = { ...offering, status: { ...offering.status, pool: ['10.213.0.0/16'] } };
    expect(offers(DUAL, [gateway('one', 1, four)])).toEqual([['0.0.0.0/0']]);
  });

  test('is the most preferred gateway that offers it', () => {
    const all = [gateway('one', 1), gateway('two', 2, offering), gateway('three', 3, offering)];
    expect(offers(DUAL, all)).toEqual([[], ['0.0.0.0/0', '::/0'], []]);
  });
});
