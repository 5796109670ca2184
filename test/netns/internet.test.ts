import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Running } from '../../src/host/exec.ts';
import { NOT_PUBLIC } from '../../src/mesh/internet.ts';
import { addressFromValue, type IpAddress } from '../../src/net/address.ts';
import { type Cidr, cidrContains, cidrRange } from '../../src/net/cidr.ts';
import { addressesOf } from '../net/arbitraries.ts';
import { because } from '../support/because.ts';
import { TestCluster } from './cluster.ts';
import { missing } from './machine.ts';
import { startProgram } from './mesh.ts';
import { Namespace } from './namespace.ts';

/** A refusal that comes from the gateway at once; a lost packet would be sent again after a second. Loaded machines need some leave. */
const AT_ONCE_MS = 900;
/** A node's public address, and what the gateway keeps out besides. */
const KEPT = [...NOT_PUBLIC, '198.41.0.4/32', '193.0.14.0/24', '2a00:45::/64'] as Cidr[];

describe.skipIf(missing).each(['nftables', 'iptables'] as const)(
  `a laptop that sends everything through a node, kube-proxy in %s mode${because(missing)}`,
  (mode) => {
    let cluster: TestCluster;
    let internet: Namespace;
    let alice: Namespace;
    let running: Running;
    beforeAll(async () => {
      cluster = await TestCluster.create(mode);
      internet = await Namespace.create();
      alice = cluster.alice.namespace;
      running = await connectInternet(cluster, internet);
      const { publicKey } = cluster.gateway.keys;
      await alice.run(`wg set wg0 peer ${publicKey} allowed-ips 0.0.0.0/0,::/0`);
      await alice.runAll(`
        ip route add default dev wg0
        ip route add ::/0 dev wg0
      `);
    });
    afterAll(async () => {
      await running?.stop();
      await cluster?.dispose();
      await internet?.dispose();
    });

    test.each([
      ['IPv4', '8.8.8.8', '45.0.0.1'],
      ['IPv6', '[2606:4700:4700::1111]', '2a00:45::1'],
    ])('reaches public %s addresses once the gateway lets it, and shows them the node', async (_family, host, node) => {
      await cluster.gateway.sync(cluster.plan());
      expect((await alice.ask(`get http://${host}:8080/`)).answer).toBe('ECONNREFUSED');
      await cluster.gateway.sync(cluster.plan({ keptFromInternet: KEPT }));
      expect((await alice.ask(`get http://${host}:8080/`)).answer).toMatchObject({ from: node });
    });

    test('reaches nothing else that it did not reach before, whatever it dials', async () => {
      const all = [...edges(KEPT), ...generated()].filter(isSomebodys);
      await countAtInternet(internet);
      await synced(cluster, undefined);
      const before = await answers(alice, all);
      await synced(cluster, KEPT);
      const after = await answers(alice, all);
      const isKept = (address: IpAddress) => KEPT.some((cidr) => cidrContains(cidr, address));
      for (const [at, address] of all.entries()) {
        expect([address, before[at]]).not.toEqual([address, 'connected']);
        expect([address, after[at]]).toEqual([address, isKept(address) ? before[at] : 'connected']);
      }
      expect(after.filter((answer) => answer === 'connected').length).toBeGreaterThan(20);
      expect(await countAtInternet(internet)).toBe(0);
    }, 120_000);

    test.each([
      ['kubelet', 'tcp 10.1.0.1 10250'],
      ['kubelet at the public address of the node', 'tcp 45.0.0.1 10250'],
      ['kubelet at the public IPv6 address of the node', 'tcp 2a00:45::1 10250'],
      ["sshd at the gateway's mesh address", 'tcp 10.213.0.1 22'],
      ['a pod', 'tcp 10.1.0.2 8080'],
      ['another laptop', 'tcp 10.213.0.17 7007'],
      ['another laptop over IPv6', 'tcp fd5a:213::17 7007'],
      ['an unallocated ClusterIP', 'tcp 10.96.9.9 80'],
      ['the metadata of a cloud', 'tcp 169.254.169.254 80'],
      ['the metadata of a cloud over IPv6', 'tcp fd00:ec2::254 80'],
      ['a public address that a proxy takes to a pod', 'tcp 9.9.9.9 80'],
    ])('does not reach %s', async (_what, question) => {
      await synced(cluster, KEPT);
      const { answer, ms } = await alice.ask(question);
      expect(answer).toBe('ECONNREFUSED');
      expect(ms).toBeLessThan(AT_ONCE_MS);
    });

    test('reaches public addresses by UDP', async () => {
      await synced(cluster, KEPT);
      expect((await alice.ask('udp 45.0.0.2 5353')).answer).toMatchObject({ from: '45.0.0.1' });
    });

    test('still reaches Services, and what is advertised', async () => {
      await cluster.gateway.sync(cluster.plan({ keptFromInternet: KEPT, routedCidrs: ['10.1.0.2/32'] }));
      expect((await alice.ask('get http://10.96.0.20/')).answer).toMatchObject({ from: '10.1.0.1' });
      expect((await alice.ask('get http://10.1.0.2:8080/')).answer).toMatchObject({ from: '10.1.0.1' });
    });

    test('is told at once where the node has no way for IPv6', async () => {
      await synced(cluster, KEPT);
      await cluster.gateway.namespace.run('ip -6 route delete default');
      const { answer, ms } = await alice.ask('tcp 2606:4700:4700::1111 8080');
      expect(answer).toMatch(/^E(NET|HOST)UNREACH$/);
      expect(ms).toBeLessThan(AT_ONCE_MS);
      expect((await alice.ask('tcp 8.8.8.8 8080')).answer).toBe('connected');
      await cluster.gateway.namespace.run('ip -6 route add default via 2a00:45::2');
    });
  },
);

/** The internet: whatever is sent there is at home there. A public address of the cluster's own, 9.9.9.9, leads to a pod. */
async function connectInternet({ gateway }: TestCluster, internet: Namespace): Promise<Running> {
  const node = gateway.namespace;
  await node.link('out0', ['45.0.0.1/24', '2a00:45::1/64'], internet, 'eth0', ['45.0.0.2/24', '2a00:45::2/64']);
  await node.runAll(`
    ip route replace default via 45.0.0.2
    ip -6 route replace default via 2a00:45::2
    nft add table ip external
    nft add chain ip external pre { type nat hook prerouting priority -100 ; }
    nft add rule ip external pre ip daddr 9.9.9.9 tcp dport 80 dnat to 10.1.0.2:8080
  `);
  await internet.runAll(`
    ip route add local 0.0.0.0/0 dev lo table main
    ip route add local ::/0 dev lo table main
    nft add table inet seen
    nft add set inet seen kept4 { type ipv4_addr ; flags interval ; }
    nft add set inet seen kept6 { type ipv6_addr ; flags interval ; }
    nft add counter inet seen strays
    nft add chain inet seen in { type filter hook prerouting priority 0 ; }
    nft add rule inet seen in ip daddr @kept4 ip daddr != 45.0.0.0/24 counter name strays
    nft add rule inet seen in ip6 daddr @kept6 ip6 daddr != { 2a00:45::/64, fe80::/10, ff00::/8 } counter name strays
  `);
  for (const cidr of KEPT)
    await internet.run(`nft add element inet seen kept${cidr.includes(':') ? 6 : 4} { ${cidr} }`);
  return startProgram(internet.commands, 'backend.ts 8080 7007 5353');
}

/** Packets that have come to the internet and are none of its business, and forgets them. */
async function countAtInternet(internet: Namespace): Promise<number> {
  const text = await internet.run('nft reset counter inet seen strays');
  return Number(/packets (\d+)/.exec(text)?.[1]);
}

async function synced(cluster: TestCluster, keptFromInternet: readonly Cidr[] | undefined): Promise<void> {
  await cluster.gateway.sync(cluster.plan({ keptFromInternet }));
}

async function answers(laptop: Namespace, all: readonly IpAddress[]): Promise<readonly unknown[]> {
  const given: unknown[] = [];
  for (const address of all) given.push((await laptop.ask(`tcp ${address} 8080`)).answer);
  return given;
}

/** First, last and the neighbours of each prefix. */
function edges(cidrs: readonly Cidr[]): readonly IpAddress[] {
  return cidrs.flatMap((cidr) => {
    const { family, first, last } = cidrRange(cidr);
    const most = family === 4 ? 0xffffffffn : (1n << 128n) - 1n;
    return [first - 1n, first, last, last + 1n].flatMap((value) =>
      value < 0n || value > most ? [] : [addressFromValue(family, value)],
    );
  });
}

function generated(): readonly IpAddress[] {
  return [...fc.sample(addressesOf(4), 60), ...fc.sample(addressesOf(6), 60)];
}

/** What comes to somebody: a laptop sends nothing through the node to itself, its own networks, links or groups, and beside the node nobody else is. */
function isSomebodys(address: IpAddress): boolean {
  const own = [
    '0.0.0.0/8',
    '127.0.0.0/8',
    '192.168.50.0/24',
    '45.0.0.0/24',
    '224.0.0.0/3',
    '::/127',
    'fe80::/10',
    'ff00::/8',
    '::ffff:0:0/96',
  ];
  return !own.some((cidr) => cidrContains(cidr as Cidr, address));
}
