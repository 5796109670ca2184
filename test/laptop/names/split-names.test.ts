import { describe, expect, test } from 'vitest';
import { reverseZones } from '../../../src/laptop/names/reverse-zones.ts';
import { serversFor } from '../../../src/laptop/names/routes.ts';
import { parseDomain, splitNames } from '../../../src/laptop/names/split-names.ts';
import { isStrayName } from '../../../src/laptop/names/stray-names.ts';
import type { ClientConfiguration } from '../../../src/mesh/client-configuration.ts';
import { addressesIn } from '../../../src/net/address.ts';
import { cidrsIn, parseCidr } from '../../../src/net/cidr.ts';
import { parseEndpoint } from '../../../src/net/endpoint.ts';
import { keyPairFrom } from '../../../src/net/key-pair.ts';

const SHORT = { hasShortNames: true, everything: false };

function aConfiguration(domain = 'cluster.local', allowedIPs = ['10.96.0.0/16', '10.213.0.1/32']): ClientConfiguration {
  const endpoint = parseEndpoint('192.0.2.1:51840');
  if (!endpoint.ok) throw new Error(endpoint.problem);
  return {
    peer: 'team-a/ada',
    addresses: addressesIn(['10.213.0.17']),
    mtu: 1420,
    dns: { servers: addressesIn(['10.96.0.10']), domain },
    hasPresharedKey: false,
    persistentKeepalive: 0,
    gateways: [
      {
        name: 'default',
        publicKey: keyPairFrom(new Uint8Array(32).fill(1)).publicKey,
        addresses: addressesIn(['10.213.0.1']),
        allowedIPs: cidrsIn(allowedIPs),
        internet: [],
        deniesByDefault: false,
        endpoints: [endpoint.value],
      },
    ],
  };
}

describe('the names of a configuration', () => {
  test('its domain, the reverse names of what is behind the tunnel, and the search list of its namespace', () => {
    expect(splitNames(aConfiguration(), SHORT)).toEqual({
      ok: true,
      value: {
        servers: ['10.96.0.10'],
        zones: ['cluster.local', '96.10.in-addr.arpa', '1.0.213.10.in-addr.arpa'],
        search: ['team-a.svc.cluster.local', 'svc.cluster.local'],
        everything: false,
      },
    });
  });

  test('no search list where short names are not wanted', () => {
    const names = splitNames(aConfiguration(), { ...SHORT, hasShortNames: false });
    expect(names).toMatchObject({ value: { search: [] } });
  });

  test('a route to everything makes no reverse zone of everything', () => {
    const names = splitNames(aConfiguration('Cluster.Local.', ['0.0.0.0/0', '::/0']), SHORT);
    expect(names).toMatchObject({ value: { zones: ['cluster.local'] } });
  });

  test('none where the gateways name no server', () => {
    expect(splitNames({ ...aConfiguration(), dns: undefined }, SHORT)).toEqual({ ok: true, value: undefined });
  });

  test.each(['', '.', 'a b', "x'; reboot #", 'a..b', '-a.b', `${'a'.repeat(64)}.b`, 'a\nnameserver 192.0.2.1'])(
    'a domain that is none is refused: %j',
    (domain) => {
      expect(parseDomain(domain).ok).toBe(false);
      expect(splitNames(aConfiguration(domain), SHORT).ok).toBe(false);
    },
  );
});

describe('reverse zones', () => {
  test.each([
    ['10.0.0.0/8', ['10.in-addr.arpa']],
    ['10.96.0.0/15', ['96.10.in-addr.arpa', '97.10.in-addr.arpa']],
    ['192.0.2.254/31', ['254.2.0.192.in-addr.arpa', '255.2.0.192.in-addr.arpa']],
    ['fd00:10:96::/47', ['6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa', '7.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa']],
    ['fd00::/16', ['0.0.d.f.ip6.arpa']],
  ])('%s', (text, zones) => {
    const cidr = parseCidr(text);
    if (!cidr.ok) throw new Error(cidr.problem);
    expect(reverseZones(cidr.value)).toEqual(zones);
  });

  test('are at most 128', () => {
    for (const cidr of cidrsIn(['0.0.0.0/1', '10.96.0.0/12', '::/1']))
      expect(reverseZones(cidr).length).toBeLessThan(129);
  });
});

describe('which question goes where', () => {
  const cluster = {
    servers: addressesIn(['10.96.0.10']),
    zones: ['cluster.local', '96.10.in-addr.arpa'],
    search: [],
    everything: false,
  };
  const routes = { clusters: [cluster], former: ['192.0.2.53', '192.0.2.54'] };
  const CLUSTER = { isCluster: true, groups: [['10.96.0.10']] };
  const FORMER = { isCluster: false, groups: [['192.0.2.53', '192.0.2.54']] };

  test.each([
    ['api.team-a.svc.cluster.local', CLUSTER],
    ['API.Team-A.SVC.Cluster.LOCAL', CLUSTER],
    ['cluster.local', CLUSTER],
    ['_http._tcp.api.team-a.svc.cluster.local', CLUSTER],
    ['10.0.96.10.in-addr.arpa', CLUSTER],
    ['notcluster.local', FORMER],
    ['local', FORMER],
    ['cluster.local.example.com', FORMER],
    ['printer.local', FORMER],
    ['10.0.97.10.in-addr.arpa', FORMER],
    ['1.196.10.in-addr.arpa', FORMER],
    ['', FORMER],
  ])('%s', (name, servers) => {
    expect(serversFor(name === '' ? [] : name.split('.'), routes)).toEqual(servers);
  });

  test('a dot inside of a label separates nothing', () => {
    expect(serversFor(['x', 'cluster.local'], routes)).toEqual(FORMER);
  });

  test('of two clusters the closer one first, and of equals the older; never anybody else', () => {
    const other = { servers: addressesIn(['10.97.0.10']), zones: ['cluster.local'], search: [], everything: false };
    const inner = {
      servers: addressesIn(['10.98.0.10']),
      zones: ['prod.cluster.local'],
      search: [],
      everything: false,
    };
    const several = { ...routes, clusters: [cluster, other, inner] };
    expect(serversFor(['a', 'prod', 'cluster', 'local'], several).groups).toEqual([
      ['10.98.0.10'],
      ['10.96.0.10'],
      ['10.97.0.10'],
    ]);
  });

  test('everything: nothing is asked elsewhere', () => {
    const all = { ...routes, clusters: [{ ...cluster, everything: true }] };
    for (const name of ['www.example.com', 'local', 'api.svc.cluster.local'])
      expect(serversFor(name.split('.'), all)).toEqual(CLUSTER);
  });
});

describe('a name of the cluster that is an ordinary one with our search list behind it', () => {
  const search = ['team-a.svc.cluster.local', 'svc.cluster.local'];
  const unknown = (name: string) =>
    ({
      'www.exampl.com': { hasTopLevel: true },
      'exampl.com': { hasTopLevel: true },
      'api.team-b': { hasTopLevel: false },
      intranet: { hasTopLevel: false },
    })[name];

  test.each([
    ['www.exampl.com.team-a.svc.cluster.local', true],
    ['WWW.exampl.com.SVC.cluster.local', true],
    ['exampl.com.team-a.svc.cluster.local', true],
    ['exampl.com.svc.cluster.local', true],
    // Too long for any Service, whether or not it was asked before.
    ['a.b.example.org.svc.cluster.local', true],
    ['a.b.example.org.team-a.svc.cluster.local', true],
    // What is meant, as a short name or as a whole one.
    ['api.team-b.svc.cluster.local', false],
    ['api.team-a.svc.cluster.local', false],
    ['intranet.team-a.svc.cluster.local', false],
    ['intranet.svc.cluster.local', false],
    ['web-0.web.team-a.svc.cluster.local', false],
    ['_http._tcp.api.team-a.svc.cluster.local', false],
    ['10-1-2-3.team-a.pod.cluster.local', false],
    ['team-a.svc.cluster.local', false],
    ['svc.cluster.local', false],
    // The short name of a pod of another namespace is none: `team-a` is taken at its word.
    ['api.team-b.team-a.svc.cluster.local', true],
  ])('%s: %s', (name, isStray) => {
    expect(isStrayName(name.split('.'), search, unknown)).toBe(isStray);
  });

  test('without a search list there is none', () => {
    expect(isStrayName('www.exampl.com.svc.cluster.local'.split('.'), [], unknown)).toBe(false);
  });
});
