import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { because } from '../support/because.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { TestCluster } from './cluster.ts';
import { missing } from './machine.ts';
import { startProgram } from './mesh.ts';
import type { Namespace } from './namespace.ts';

/** A refusal that comes from the gateway at once; a lost packet would be sent again after a second. Loaded machines need some leave. */
const AT_ONCE_MS = 900;
const BIG = 10_000_000;

describe.skipIf(missing).each(['nftables', 'iptables'] as const)(
  `through a node with kube-proxy in %s mode${because(missing)}`,
  (mode) => {
    let cluster: TestCluster;
    let alice: Namespace;
    beforeAll(async () => {
      cluster = await TestCluster.create(mode);
      alice = cluster.alice.namespace;
    });
    afterAll(() => cluster?.dispose());
    afterEach(async () => {
      await cluster.gateway.sync(cluster.plan());
    });

    test('kube-proxy is recognized', async () => {
      expect((await cluster.gateway.host.observe(PLAN_NAMES)).facts.proxyMode).toBe(mode);
    });

    test.each([
      ['TCP', 'get http://10.96.0.20/', '10.1.0.1'],
      ['UDP', 'udp 10.96.0.10 53', '10.1.0.1'],
      ['TCP over IPv6', 'get http://[fd5a:96::20]/', 'fd5a:1::1'],
      ['UDP over IPv6', 'udp fd5a:96::a 53', 'fd5a:1::1'],
    ])('a laptop reaches a Service by %s, and the backend sees the node', async (_what, question, node) => {
      expect((await alice.ask(question)).answer).toMatchObject({ from: node });
    });

    test('a Service whose endpoint is a host-network pod of the gateway node is reached', async () => {
      expect((await alice.ask('get http://10.96.0.1:443/')).answer).toMatchObject({ from: '10.213.0.16' });
    });

    // Whoever answers a datagram without asking where it was sent to leaves the address to the kernel.
    test.each([
      ['IPv4', 'udp 10.96.0.1 53', '10.1.0.1'],
      ['IPv6', 'udp fd5a:96::1 53', 'fd5a:1::1'],
    ])('so is one over UDP and %s, and the answer comes from the Service', async (_family, question, node) => {
      expect((await alice.ask(question)).answer).toMatchObject({ from: node });
    });

    test('a big body passes both ways, though the laptop has too large an MTU and no ICMP says so', async () => {
      await dropIcmpErrors(alice, cluster.backend);
      await alice.run('ip link set wg0 mtu 1500');
      expect((await alice.ask('get http://10.96.0.20/big')).answer).toEqual({ bytes: BIG });
      expect((await alice.ask(`post http://10.96.0.20/ ${BIG}`)).answer).toMatchObject({ received: BIG });
      await alice.run('ip link set wg0 mtu 1420');
    });

    test.each([
      ['an unallocated ClusterIP', 'tcp 10.96.9.9 80'],
      ['a port that the Service has not', 'tcp 10.96.0.20 81'],
      ['an unallocated IPv6 ClusterIP', 'tcp fd5a:96::99 80'],
      ['a pod', 'tcp 10.1.0.2 8080'],
      ["kubelet at the node's own address", 'tcp 10.1.0.1 10250'],
      ["kubelet at the gateway's mesh address", 'tcp 10.213.0.1 10250'],
      ["sshd at the node's IPv6 address", 'tcp fd5a:1::1 22'],
      ["sshd at the gateway's mesh address", 'tcp 10.213.0.1 22'],
      ['a port of the node that nobody listens on', 'tcp 10.213.0.1 81'],
      ['another laptop', 'tcp 10.213.0.17 7007'],
      ['another laptop over IPv6', 'tcp fd5a:213::17 7007'],
    ])('%s is refused at once', async (_what, question) => {
      const { answer, ms } = await alice.ask(question);
      expect(answer).toBe('ECONNREFUSED');
      expect(ms).toBeLessThan(AT_ONCE_MS);
    });

    test('UDP is refused by ICMP, to a Service as to the node', async () => {
      /* Bob asks, another laptop last: a redirect, which the kernel makes even of what is refused, uses up a host's ICMP. */
      for (const question of ['udp 10.96.9.9 53', 'udp 10.213.0.1 10000', 'udp 10.213.0.16 5353']) {
        const { answer, ms } = await cluster.bob.namespace.ask(question);
        expect(answer).toBe('EHOSTUNREACH');
        expect(ms).toBeLessThan(AT_ONCE_MS);
      }
    });

    test('of the node, the mesh address alone answers a ping', async () => {
      expect(await alice.tries('ping -c 1 -W 2 10.213.0.1')).toContain('1 received');
      expect(await alice.tries('ping -c 1 -W 2 fd5a:213::1')).toContain('1 received');
      expect(await alice.tries('ping -c 1 -W 1 10.1.0.1')).toBe('');
      expect(await alice.tries('ping -c 1 -W 1 10.213.0.17')).toBe('');
    });

    test('what the mesh may not reach stands open to the cluster', async () => {
      expect((await cluster.backend.ask('tcp 10.1.0.1 10250')).answer).toBe('connected');
      await cluster.backend.run('ip route replace 10.213.0.0/16 via 10.1.0.1');
      expect((await cluster.backend.ask('tcp 10.213.0.1 10250')).answer).toBe('connected');
    });

    test('the cluster opens no connection into the mesh', async () => {
      await cluster.backend.run('ip route replace 10.213.0.0/16 via 10.1.0.1');
      const { answer, ms } = await cluster.backend.ask('tcp 10.213.0.17 7007');
      expect(answer).toBe('ECONNREFUSED');
      expect(ms).toBeLessThan(AT_ONCE_MS);
      await cluster.backend.run('ip route delete 10.213.0.0/16');
    });

    test('laptops reach each other once the gateway lets them, with their own addresses', async () => {
      await cluster.gateway.sync(cluster.plan({ peerToPeer: 'Allow' }));
      expect((await alice.ask('get http://10.213.0.17:8080/')).answer).toMatchObject({ from: '10.213.0.16' });
    });

    test('what the gateway advertises besides Services is reached, the node itself still not', async () => {
      await cluster.gateway.sync(cluster.plan({ routedCidrs: ['10.1.0.0/24', '10.0.0.0/9'] }));
      expect((await alice.ask('get http://10.1.0.2:8080/')).answer).toMatchObject({ from: '10.1.0.1' });
      expect((await alice.ask('tcp 10.1.0.1 10250')).answer).toBe('ECONNREFUSED');
      expect((await alice.ask('tcp 10.96.9.9 80')).answer).toBe('ECONNREFUSED');
    });

    test('denied by default, DNS alone is reached', async () => {
      await cluster.gateway.sync(cluster.plan({ accessDefault: 'Deny', routedCidrs: ['10.1.0.0/24'] }));
      expect((await alice.ask('udp 10.96.0.10 53')).answer).toMatchObject({ from: '10.1.0.1' });
      expect((await alice.ask('tcp 10.96.0.20 80')).answer).toBe('ECONNREFUSED');
      expect((await alice.ask('tcp 10.1.0.2 8080')).answer).toBe('ECONNREFUSED');
    });

    test('a removed laptop loses what it had open, also when it comes back, and the node forgets its connections', async () => {
      const flows = () => cluster.gateway.namespace.tries('conntrack -L -s 10.213.0.16');
      const seen = lines();
      const held = await startProgram(alice.commands, 'hold.ts 10.96.0.20 7', seen.onLine);
      await seen.next();
      expect(await flows()).toContain('dport=7');
      const { bob } = cluster;
      await cluster.gateway.sync(cluster.plan({ peers: { [bob.keys.publicKey]: bob.addresses } }));
      expect(await flows()).toBe('');
      expect(await Promise.race([seen.after(100), held.exited])).toBe('silence');
      expect(await flows()).toBe('');
      expect((await bob.namespace.ask('tcp 10.96.0.20 80')).answer).toBe('connected');
      await cluster.gateway.sync(cluster.plan());
      await cluster.shakeHands(cluster.alice);
      await held.exited;
      expect(JSON.parse(seen.last()).answer).toBe('ECONNRESET');
    });

    test('a tunnel does not run inside itself', async () => {
      const node = cluster.gateway.namespace;
      const { publicKey } = cluster.bob.keys;
      await node.run(`wg set ${PLAN_NAMES.device} peer ${publicKey} endpoint 10.213.0.17:51820`);
      await node.tries('ping -c 1 -W 1 10.213.0.17');
      const [link] = JSON.parse(await node.run(`ip -json -s link show dev ${PLAN_NAMES.device}`));
      const before = link.stats64.tx.packets;
      await node.tries('ping -c 1 -W 1 10.213.0.17');
      const [later] = JSON.parse(await node.run(`ip -json -s link show dev ${PLAN_NAMES.device}`));
      expect(later.stats64.tx.packets - before).toBeLessThan(10);
      await cluster.bob.namespace.run('ping -c 1 -W 2 10.213.0.1');
      expect((await cluster.bob.namespace.ask('tcp 10.96.0.20 80')).answer).toBe('connected');
    });
  },
);

/** Path MTU discovery finds its black hole: nobody hears that a packet was too big. */
async function dropIcmpErrors(...namespaces: readonly Namespace[]): Promise<void> {
  for (const namespace of namespaces)
    await namespace.runAll(`
      nft add table inet deaf
      nft add chain inet deaf in { type filter hook input priority 0 ; }
      nft add rule inet deaf in icmp type destination-unreachable icmp code frag-needed drop
    `);
}

/** Lines of a program as they come. */
function lines(): {
  readonly onLine: (line: string) => void;
  readonly last: () => string;
  readonly next: () => Promise<string>;
  readonly after: (ms: number) => Promise<string>;
} {
  let heard = Promise.withResolvers<string>();
  let last = '';
  const onLine = (line: string) => {
    last = line;
    heard.resolve(line);
    heard = Promise.withResolvers();
  };
  const next = () => heard.promise;
  /** What is under way may still arrive within `ms`; after that a second of quiet counts as silence. */
  const after = async (ms: number) => {
    await new Promise((resolve) => setTimeout(resolve, ms));
    const quiet = new Promise<string>((resolve) => setTimeout(() => resolve('silence'), 1000));
    return Promise.race([heard.promise, quiet]);
  };
  return { onLine, last: () => last, next, after };
}
