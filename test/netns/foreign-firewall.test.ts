import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { firewallBeforeAnswers, foreignFirewall } from '../../src/mesh/foreign-firewall.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { TestCluster } from './cluster.ts';
import { missing } from './machine.ts';

const { device } = PLAN_NAMES;
const PASSING = { device, listenPort: 51840, families: [4, 6], hasSessions: false } as const;

/** Somebody else's rules, in the words of the tool that makes them; what else takes them away; what is said. */
interface Fault {
  readonly what: string;
  readonly make: string;
  readonly unmake?: string;
  /** Whether it is told although the probe says nothing. */
  readonly certain: boolean;
  readonly told: RegExp;
}

const FORWARD_OFF = 'iptables -F FORWARD\niptables -P FORWARD ACCEPT';

const FAULTS: readonly Fault[] = [
  {
    what: 'iptables with policy DROP in FORWARD',
    make: 'iptables -P FORWARD DROP',
    certain: true,
    told: /what the mesh forwards: table ip filter, chain FORWARD\. .*`iptables -I FORWARD -i/,
  },
  {
    what: "Docker's FORWARD",
    make: `iptables -P FORWARD DROP
      iptables -N DOCKER-USER
      iptables -N DOCKER-FORWARD
      iptables -A FORWARD -j DOCKER-USER
      iptables -A FORWARD -j DOCKER-FORWARD
      iptables -A DOCKER-FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
      iptables -A DOCKER-FORWARD -i docker0 -j ACCEPT`,
    unmake: `iptables -F FORWARD\niptables -F DOCKER-USER\niptables -F DOCKER-FORWARD\niptables -X DOCKER-USER\niptables -X DOCKER-FORWARD`,
    certain: false,
    told: /chain FORWARD\. .*`iptables -I DOCKER-USER -i \S+ -j ACCEPT; iptables -I DOCKER-USER -o/,
  },
  {
    what: 'a table that refuses what comes from the mesh',
    make: `nft add table inet hardened
      nft add chain inet hardened transit { type filter hook forward priority 50 ; }
      nft add rule inet hardened transit iifname ${device} counter reject`,
    certain: true,
    told: /table inet hardened, chain transit\. .*`nft insert rule inet hardened transit iifname/,
  },
];

describe.skipIf(missing)('a firewall that is not ours', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await TestCluster.create('nftables');
  }, 60_000);
  afterAll(() => cluster?.dispose());

  const node = () => cluster.gateway.namespace;
  const told = async (failing?: 'services' | 'handshake', hasSessions = false) => {
    const ruleset = await cluster.gateway.host.observeForeignRules(PLAN_NAMES);
    return foreignFirewall(ruleset, { ...PASSING, failing, hasSessions });
  };
  const reaches = async () => (await cluster.alice.namespace.ask('tcp 10.96.0.20 80')).answer;
  /** Runs the commands that the sentence shows. */
  const obey = async (sentence = '') => {
    const commands = /`(.*?)`, in a way/.exec(sentence)?.[1] ?? '';
    await node().runAll(commands.replaceAll('; ', '\n'));
  };

  afterEach(async () => {
    for (const table of ['inet hardened', 'inet edge', 'ip crowd']) await node().tries(`nft delete table ${table}`);
    await node().runAll(FORWARD_OFF);
  });

  test('is not seen where there is none but a service proxy', async () => {
    expect(await told()).toBeUndefined();
    expect(await told('services')).toBeUndefined();
    expect(await told('handshake')).toBeUndefined();
  });

  describe.each(FAULTS)('$what', ({ make, unmake, certain, told: sentence }) => {
    afterEach(() => node().runAll(unmake ?? ''));

    test('is named, and what the sentence says mends it', async () => {
      const before = await reaches();
      await node().runAll(make);
      await expect.poll(reaches, { timeout: 10_000 }).not.toEqual(before);
      expect(await told('services')).toMatch(sentence);
      expect((await told()) !== undefined).toBe(certain);
      await obey(await told('services'));
      expect(await told('services')).toBeUndefined();
      expect(await reaches()).toEqual(before);
    });
  });

  test('is not blamed when it has a rule for us, whatever its policy', async () => {
    const before = await reaches();
    await node().runAll(
      `iptables -P FORWARD DROP
      iptables -A FORWARD -i wg+ -j ACCEPT
      iptables -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`.replace(
        'wg+',
        `${device.slice(0, 2)}+`,
      ),
    );
    expect(await reaches()).toEqual(before);
    expect(await told()).toBeUndefined();
  });

  test("that drops WireGuard's packets is named while no device has a session, though the probe over loopback succeeds", async () => {
    const { alice, gateway } = cluster;
    await node().runAll(`nft add table inet edge
      nft add chain inet edge raw { type filter hook prerouting priority -300 ; }
      nft add rule inet edge raw iifname != lo udp dport 51840 drop`);
    const link = alice.namespace;
    await link.runAll(`wg set wg0 peer ${gateway.keys.publicKey} remove
      wg set wg0 peer ${gateway.keys.publicKey} endpoint 192.168.50.1:51840 allowed-ips 10.96.0.0/12,10.213.0.0/16`);
    expect(await link.tries('ping -c 1 -W 1 10.213.0.1')).toBe('');
    const sentence = await told();
    expect(sentence).toMatch(/WireGuard packets \(UDP port 51840\): table inet edge, chain raw\. .*`nft insert rule/);
    expect(await told(undefined, true)).toBeUndefined();
    await obey(sentence);
    expect(await told()).toBeUndefined();
    expect(await link.tries('ping -c 1 -W 6 10.213.0.1')).toContain('1 received');
  });

  test('that drops what devices ask the gateway itself is named, and is no obstacle to anything else', async () => {
    const asks = async () => (await cluster.alice.namespace.ask('tcp 10.213.0.1 51840')).answer;
    const unanswered = async () =>
      firewallBeforeAnswers(await cluster.gateway.host.observeForeignRules(PLAN_NAMES), PASSING);
    // Nobody listens in this test, so that the node's own refusal is the answer.
    expect(await asks()).toBe('ECONNREFUSED');
    expect(await unanswered()).toBeUndefined();
    await node().runAll(`nft add table inet hardened
      nft add chain inet hardened in { type filter hook input priority 0 ; policy drop ; }
      nft add rule inet hardened in ct state established,related accept
      nft add rule inet hardened in iifname lo accept
      nft add rule inet hardened in udp dport 51840 accept
      nft add rule inet hardened in tcp dport 22 accept`);
    expect(await asks()).toBe('timeout');
    const sentence = await unanswered();
    expect(sentence).toMatch(
      /drops what devices ask .* \(TCP port 51840\): table inet hardened, chain in\. .*`nft insert/,
    );
    expect(await told()).toBeUndefined();
    await obey(sentence);
    expect(await unanswered()).toBeUndefined();
    expect(await asks()).toBe('ECONNREFUSED');
  });

  test('is read beside ten thousand rules of a service proxy by few commands, and nothing is changed', async () => {
    const { folder } = cluster.gateway;
    const file = join(folder, 'crowd.nft');
    const chains = Array.from({ length: 5_000 }, (_, n) => `chain KUBE-SVC-${n} { counter accept; counter drop; }`);
    const jumps = Array.from({ length: 5_000 }, (_, n) => `ip daddr 10.97.${n >> 8}.${n & 255} jump KUBE-SVC-${n}`);
    const forward = 'chain FORWARD { type filter hook forward priority filter; counter jump KUBE-SERVICES; }';
    const services = `chain KUBE-SERVICES { ${jumps.join('; ')}; }`;
    await writeFile(file, `table ip crowd {\n${chains.join('\n')}\n${services}\n${forward}\n}\n`);
    await node().run(`nft -f ${file}`);
    cluster.gateway.commandsRun.length = 0;
    const began = performance.now();
    expect(await told('services')).toBeUndefined();
    const ms = performance.now() - began;
    console.log(`a look at foreign rules beside 10,000 of a service proxy: ${ms.toFixed(0)} ms`);
    const { commandsRun } = cluster.gateway;
    expect(commandsRun.filter((line) => !/^nft -j (-s )?list chain/.test(line))).toEqual([]);
    expect(commandsRun.length).toBeLessThan(10);
  });

  // Last, because the table stays once it was there.
  test('of iptables-legacy, which nft does not show, is pointed at while the probe fails', async (context) => {
    const legacy = await node().tries('iptables-legacy -P FORWARD DROP -v');
    const names = await node().tries('cat /proc/net/ip_tables_names');
    context.skip(!names.includes('filter'), `this machine has no iptables-legacy ${legacy}`);
    expect(await told()).toBeUndefined();
    expect(await told('services')).toMatch(/^iptables-legacy has a filter table.*\(iptables-legacy -S FORWARD\)/);
    await node().run('iptables-legacy -P FORWARD ACCEPT');
  });
});
