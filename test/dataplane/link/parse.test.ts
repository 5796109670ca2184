import { describe, expect, test } from 'vitest';
import { parseDefaultRoutes, parseHostAddresses, parseLinks } from '../../../src/dataplane/link/parse.ts';
import { UnreadableOutput } from '../../../src/dataplane/unreadable.ts';

const LINKS = `[{"ifindex":1,"ifname":"lo","flags":["LOOPBACK","UP","LOWER_UP"],"mtu":65536},
  {"ifindex":2,"ifname":"eth0","flags":["BROADCAST","UP"],"mtu":1460},
  {"ifindex":7,"ifname":"wg-default","flags":["POINTOPOINT","NOARP"],"mtu":1380,
   "linkinfo":{"info_kind":"tun","info_data":{"type":"tun","persist":true}}}]`;

const ADDRESSES = `[{"ifindex":7,"ifname":"wg-default","flags":[],"mtu":1420,"addr_info":[
  {"family":"inet6","local":"fd5a:213::1","prefixlen":128,"scope":"global"},
  {"family":"inet","local":"10.213.0.1","prefixlen":32,"scope":"global"},
  {"family":"inet","local":"10.5.0.1","prefixlen":24,"scope":"global"},
  {"family":"inet6","local":"fe80::1","prefixlen":64,"scope":"link"}]}]`;

test('ip -json link tells the interfaces', () => {
  expect(parseLinks(LINKS)).toEqual([
    { name: 'lo', ifindex: 1, mtu: 65536, up: true, kind: undefined },
    { name: 'eth0', ifindex: 2, mtu: 1460, up: true, kind: undefined },
    { name: 'wg-default', ifindex: 7, mtu: 1380, up: false, kind: 'tun' },
  ]);
});

test('ip -json address tells host prefixes of global scope, IPv4 first', () => {
  expect(parseHostAddresses(ADDRESSES)).toEqual(['10.213.0.1/32', 'fd5a:213::1/128']);
});

describe('ip -json route show default', () => {
  test('tells the routes, the preferred first', () => {
    const text = `[{"dst":"default","gateway":"10.0.0.1","dev":"wlan0","metric":600},
      {"dst":"default","gateway":"10.0.0.1","dev":"eth0","metric":100,"metrics":[{"mtu":1400}]}]`;
    expect(parseDefaultRoutes(text)).toEqual([
      { device: 'eth0', mtu: 1400 },
      { device: 'wlan0', mtu: undefined },
    ]);
  });

  test('tells each device of a route with several', () => {
    const text = `[{"dst":"default","nexthops":[{"gateway":"10.0.0.1","dev":"eth0"},{"gateway":"10.1.0.1","dev":"eth1"}]}]`;
    expect(parseDefaultRoutes(text).map(({ device }) => device)).toEqual(['eth0', 'eth1']);
  });
});

test.each([
  ['links', () => parseLinks('[{"ifname":"eth0"}]')],
  ['links', () => parseLinks('[{"ifname":1,"ifindex":1,"mtu":1}]')],
  ['addresses', () => parseHostAddresses('[{"addr_info":[{"scope":"global"}]}]')],
  ['addresses', () => parseHostAddresses('[{"addr_info":{}}]')],
  ['routes', () => parseDefaultRoutes('nothing')],
])('nonsense for %s is refused', (_what, parse) => {
  expect(parse).toThrow(UnreadableOutput);
});
