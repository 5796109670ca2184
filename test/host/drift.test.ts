import { describe, expect, test } from 'vitest';
import type { ObservedPeer } from '../../src/dataplane/wireguard/device.ts';
import { linkDrift, tableDrift, transactions } from '../../src/host/drift.ts';
import { OwnElements } from '../../src/host/own-elements.ts';
import { servedDrift } from '../../src/host/peer-drift.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { aPublicKey } from '../support/node-plans.ts';

describe('a line of nft monitor', () => {
  test.each([
    ['delete table inet sallyport_default', true],
    ['add chain inet sallyport_default forward { type filter hook forward priority filter - 5; policy accept; }', true],
    ['delete rule inet sallyport_default from_mesh handle 12', true],
    ['add element inet sallyport_default services4 { 10.96.0.0/12 }', true],
    [
      'delete element inet sallyport_default seen_denied4 { 10.213.0.16 . tcp . 10.96.9.9 . 80 expires 59m57s counter packets 1 bytes 60 }',
      false,
    ],
    ['add element inet sallyport_default unseen { 10.96.0.1 }', true],
    ['add rule inet sallyport_default_2 from_mesh accept', false],
    ['delete table ip sallyport_default', false],
    ['add table ip kube-proxy', true],
    ['delete table ip kube-proxy', true],
    ['create chain ip nat KUBE-SERVICES', true],
    ['delete chain ip nat KUBE-SERVICES', true],
    ['add chain ip nat KUBE-SVC-ABC', false],
    ['add rule ip nat KUBE-SERVICES ip daddr 10.96.0.1', false],
    ['add element ip kube-proxy service-ips { 10.96.0.1 . tcp . 443 : goto service-X }', false],
    ['# new generation 12 by process 4133 (nft)', false],
    [
      'trace id 2eed3fbb inet sallyport_default moved_flow packet: iif "eth0" ip saddr 203.0.113.2 ip daddr 172.31.0.10 udp sport 37578 udp dport 51840 ',
      false,
    ],
    [
      'trace id 2eed3fbb inet sallyport_default on_input rule iifname "wg-default" jump to_node (verdict continue)',
      false,
    ],
    ['', false],
  ])('%j', (line, ours) => {
    expect(tableDrift('sallyport_default')(line) !== undefined).toBe(ours);
  });
});

test('whoever made a transaction is named once its last line has come, if it touched the table', () => {
  const hears = transactions(tableDrift('sallyport_default'));
  const lines = [
    ['delete chain inet sallyport_default forward', 'nftables table sallyport_default changed', undefined],
    ['delete table inet other', undefined, undefined],
    ['# new generation 4 by process 20907 (firewalld)', 'nftables table sallyport_default changed', 'firewalld'],
    ['add table inet other', undefined, undefined],
    ['# new generation 5 by process 20908 (nft)', undefined, 'nft'],
    // It does not go for one of ours.
    ['add table ip kube-proxy', 'kube-proxy may run in another mode', undefined],
    ['# new generation 6 by process 20909 (kube-proxy)', undefined, 'kube-proxy'],
  ] as const;
  for (const [line, what, by] of lines) expect(hears(line)).toEqual(by === undefined ? { what } : { what, by });
});

describe('a line of nft monitor about elements', () => {
  const set = 'inet sallyport_default by_peer_tcp4';
  const [one, other] = ['10.213.0.16 . 10.96.0.20 . 80', '10.213.0.17 . 10.96.0.20 . 80'];
  const changes = [{ set: 'by_peer_tcp4', added: [one], removed: [other] }];
  let now = 0;
  const changing = () => {
    now = 0;
    const own = new OwnElements(() => now);
    const takeBack = own.expect('sallyport_default', changes);
    const drift = tableDrift('sallyport_default', (line) => own.heard(line));
    return { takeBack, reports: (line: string) => drift(line) !== undefined };
  };

  test('that we have changed ourselves is no drift, once', () => {
    const { reports } = changing();
    expect(reports(`delete element ${set} { ${other} }`)).toBe(false);
    expect(reports(`add element ${set} { ${one} }`)).toBe(false);
    expect(reports(`add element ${set} { ${one} }`)).toBe(true);
  });

  test.each([
    ['the contrary', `delete element ${set} { ${one} }`],
    ['another element', `add element ${set} { ${other} }`],
    ['ours and another in one line', `add element ${set} { ${one}, ${other} }`],
    ['another set', `add element inet sallyport_default by_peer_udp4 { ${one} }`],
    ['a rule', 'delete rule inet sallyport_default from_mesh handle 12'],
  ])('that is %s is drift', (_what, line) => {
    expect(changing().reports(line)).toBe(true);
  });

  test('is drift where we did not change them after all, or long ago', () => {
    const failed = changing();
    failed.takeBack();
    expect(failed.reports(`add element ${set} { ${one} }`)).toBe(true);
    const { reports } = changing();
    now = 60_000;
    expect(reports(`add element ${set} { ${one} }`)).toBe(true);
  });
});

describe('a line of ip monitor', () => {
  test.each([
    ['7: wg-default: <POINTOPOINT,NOARP> mtu 1420 qdisc noop state DOWN group default \\    link/none', true],
    ['Deleted 7: wg-default: <POINTOPOINT,NOARP> mtu 1420 qdisc noop state DOWN group default \\    link/none', true],
    ['Deleted 7: wg-default    inet 10.213.0.1/32 scope global wg-default\\       valid_lft forever', true],
    ['Deleted 10.213.0.0/16 dev wg-default proto 213 scope link', true],
    ['inet all forwarding off ', true],
    ['inet6 all forwarding off', true],
    ['inet all forwarding on', false],
    ['inet eth0 forwarding off', false],
    ['8: wg-default2: <POINTOPOINT,NOARP> mtu 1420', false],
    ['9: veth1@if3: <BROADCAST,UP> mtu 1500 master cni0', false],
    ['9: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default \\    link/ether aa:bb', true],
    ['Deleted 9: kube-ipvs0: <BROADCAST,NOARP> mtu 1500 qdisc noop state DOWN group default \\    link/ether', true],
    ['9: kube-ipvs0    inet 10.96.0.10/32 scope global kube-ipvs0\\       valid_lft forever', false],
    ['local 10.96.0.10 dev kube-ipvs0 table local proto kernel scope host src 10.96.0.10', false],
    ['', false],
  ])('%j', (line, ours) => {
    expect(linkDrift(['wg-default', 'wg-default_2'])(line) !== undefined).toBe(ours);
  });
});

describe('two looks at a device', () => {
  const [alice, bob] = [aPublicKey(1), aPublicKey(2)];
  const peer = (publicKey: PublicKey, address: string, seen = 0): [PublicKey, ObservedPeer] => [
    publicKey,
    {
      publicKey,
      allowedIPs: [address as Cidr],
      latestHandshake: seen,
      receivedBytes: seen,
      sentBytes: seen,
    },
  ];
  const device = (...peers: readonly [PublicKey, ObservedPeer][]) => ({
    publicKey: aPublicKey(9),
    listenPort: 51840,
    peers: new Map(peers),
  });
  const before = device(peer(alice, '10.0.0.1/32'), peer(bob, '10.0.0.2/32'));

  test.each([
    ['handshakes and counters', device(peer(alice, '10.0.0.1/32', 7), peer(bob, '10.0.0.2/32', 8)), undefined],
    ['a peer less', device(peer(alice, '10.0.0.1/32')), 'the peers'],
    ['another address', device(peer(alice, '10.0.0.1/32'), peer(bob, '10.0.0.3/32')), 'the peers'],
    ['another port', { ...before, listenPort: 1 }, 'the key or the port'],
    ['another key', { ...before, publicKey: undefined }, 'the key or the port'],
    ['nothing, because nobody serves it', undefined, undefined],
  ])('that differ in %s', (_what, now, drift) => {
    expect(servedDrift(before, now, new Set())).toBe(drift);
  });

  test('do not tell what we did ourselves', () => {
    const now = device(peer(alice, '10.0.0.1/32'));
    expect(servedDrift(before, now, new Set([bob]))).toBeUndefined();
    expect(servedDrift(before, now, new Set([alice]))).toBe('the peers');
  });

  test('tell nothing at first', () => {
    expect(servedDrift(undefined, before, new Set())).toBeUndefined();
  });
});
