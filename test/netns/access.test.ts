import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { afterChanges } from '../../src/dataplane/nftables/diff.ts';
import { diffTable } from '../../src/dataplane/operation.ts';
import type { Running } from '../../src/host/exec.ts';
import { type AccessGateway, type Grant, type Granted, granted } from '../../src/mesh/access/access.ts';
import { accessMembers, accessWorld } from '../../src/mesh/access/world.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import {
  type Ground,
  mayEnter,
  mayReach,
  type Place,
  pairsOf,
  randomWorld,
  type World,
} from '../support/access-worlds.ts';
import { because } from '../support/because.ts';
import { NOW } from '../support/builders.ts';
import { aGrant, allGranted } from '../support/grants.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { TestCluster } from './cluster.ts';
import { missing } from './machine.ts';
import { startProgram } from './mesh.ts';
import { describeOpenFlows } from './open-flows-suite.ts';
import { describeRaces } from './races-suite.ts';
import { describeScan } from './scan-suite.ts';

/** Each is a transaction and two dozen connections that are opened or refused. What a proxy does has no part in what is granted. */
const WORLDS = { nftables: 1_000, iptables: 50 } as const;
/** So wireguard-go hands no packets from thread to thread, and hundreds of thousands take half of the processors' time. */
const ONE_THREAD = { GOMAXPROCS: '1' };
const ALICE = '10.213.0.16';
const BOB = '10.213.0.17';
const MANY = 10_000;

/** What the cluster of these tests proxies, and its laptops. */
const GROUND: Ground = {
  peers: [
    [ALICE, 'fd5a:213::16'],
    [BOB, 'fd5a:213::17'],
  ],
  services: [
    {
      clusterIPs: ['10.96.0.20'],
      ports: [
        { name: 'http', port: 80, protocol: 'TCP' },
        { name: 'grpc', port: 7, protocol: 'TCP' },
      ],
    },
    {
      clusterIPs: ['10.96.0.1'],
      ports: [
        { name: 'http', port: 443, protocol: 'TCP' },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
    },
    { clusterIPs: ['fd5a:96::20'], ports: [{ name: 'http', port: 80, protocol: 'TCP' }] },
    { clusterIPs: ['fd5a:96::1'], ports: [{ port: 53, protocol: 'UDP' }] },
  ],
};

const ROUTED = ['10.1.0.0/24', 'fd5a:1::/64'] as Cidr[];

/** What answers in the ranges that the gateway advertises. */
const PLACES: readonly Place[] = [
  { address: '10.1.0.2', protocol: 'TCP', port: 8080 },
  { address: '10.1.0.2', protocol: 'TCP', port: 7007 },
  { address: '10.1.0.2', protocol: 'UDP', port: 5353 },
  { address: 'fd5a:1::2', protocol: 'TCP', port: 8080 },
];

const GATEWAY: AccessGateway = {
  name: 'default',
  accessDefault: 'Deny',
  routedCidrs: ROUTED,
  serviceCidrs: ['10.96.0.0/12', 'fd5a:96::/112'] as Cidr[],
};

function grantsOf({ accesses, ...world }: World): Granted {
  const members = accessMembers(peerTable('default', world.peers, NOW));
  return granted(GATEWAY, members, { accesses, world: accessWorld(world), now: NOW });
}

describe.skipIf(missing).each(['nftables', 'iptables'] as const)(
  `through a node that denies by default, with kube-proxy in %s mode${because(missing)}`,
  (mode) => {
    let cluster: TestCluster;
    const holding: Running[] = [];

    const letIn = (...texts: readonly string[]) => cluster.gateway.sync(plan(texts.map(aGrant)));
    const plan = (services: readonly Grant[]) =>
      cluster.plan({ accessDefault: 'Deny', granted: { services, ranges: [] } });

    beforeAll(async () => {
      cluster = await TestCluster.create(mode, ONE_THREAD);
      // Every refusal is to be heard, however many there are.
      const { files } = cluster.gateway.namespace;
      for (const file of ['ipv4/icmp_ratelimit', 'ipv6/icmp/ratelimit'])
        await files.write(`/proc/sys/net/${file}`, '0');
    });
    afterEach(async () => {
      for (const held of holding.splice(0)) await held.stop();
    });
    afterAll(() => cluster?.dispose());

    /** What is otherwise than it should be, for one laptop. */
    async function wrongFor(laptop: 'alice' | 'bob', peer: MeshPeer, world: World) {
      const asked = [
        ...pairsOf({ ...world, peers: [peer] }).map(({ service, port }) => ({
          question: `${port.protocol.toLowerCase()} ${service.spec.clusterIPs[0]} ${port.port}`,
          isOpen: mayReach(world, peer, service, port),
        })),
        ...PLACES.map((place) => ({
          question: `${place.protocol.toLowerCase()} ${place.address} ${place.port}`,
          isOpen: mayEnter(world, peer, place),
        })),
      ];
      const wrong = asked.map(async ({ question, isOpen }) => {
        const { answer } = await cluster[laptop].namespace.ask(question);
        const wanted = isOpen ? 'open' : 'refused';
        return seen(answer) === wanted ? [] : [`${laptop}: ${question} should be ${wanted}, and is: ${answer}`];
      });
      return (await Promise.all(wrong)).flat();
    }

    test(`in ${WORLDS[mode]} random worlds, packets pass where somebody who reads the objects says so, and nowhere else`, {
      timeout: 600_000,
    }, async () => {
      const inWorld = (world: World) =>
        cluster.plan({ accessDefault: 'Deny', routedCidrs: ROUTED, granted: grantsOf(world) });
      await cluster.gateway.sync(cluster.plan({ accessDefault: 'Deny', routedCidrs: ROUTED }));
      let { state } = await cluster.gateway.host.observe(PLAN_NAMES);
      let changed = 0;
      // As an agent does that hears of grants: by what it has carried out before, without a look at the table.
      const comes = async (world: World) => {
        const { ruleset } = inWorld(world);
        for (const step of diffTable(ruleset, state)) {
          if (step.kind !== 'change-elements' || state.ruleset === undefined) continue;
          await cluster.gateway.host.apply(step);
          state = { ...state, ruleset: afterChanges(state.ruleset, step.changes) };
          changed += step.changes.length;
        }
        // That what is open ends with its grant is shown elsewhere, flow by flow; here it would take most of the time.
        await cluster.gateway.namespace.run('conntrack -F');
        expect(diffTable(ruleset, state)).toEqual([]);
      };
      await fc.assert(
        fc.asyncProperty(randomWorld(GROUND), async (world) => {
          await comes(world);
          const [alice, bob] = world.peers as readonly [MeshPeer, MeshPeer];
          const wrong = await Promise.all([wrongFor('alice', alice, world), wrongFor('bob', bob, world)]);
          expect(wrong.flat()).toEqual([]);
        }),
        { numRuns: WORLDS[mode], endOnFailure: true },
      );
      expect(changed).toBeGreaterThan(WORLDS[mode]);
    });

    async function hold(laptop: 'alice' | 'bob', target: string) {
      const lines: string[] = [];
      const heard = Promise.withResolvers<void>();
      const held = await startProgram(cluster[laptop].namespace.commands, `hold.ts ${target}`, (line) => {
        lines.push(line);
        heard.resolve();
      });
      holding.push(held);
      await heard.promise;
      return { lines, exited: held.exited };
    }

    test('a grant that ends cuts the connections of this device to this port at once, and no others', async () => {
      const http = `${ALICE} tcp 10.96.0.20 80`;
      const rest = [http, `${BOB} tcp 10.96.0.20 7`, `${ALICE} tcp 10.96.0.1 443`];
      await letIn(`${ALICE} tcp 10.96.0.20 7`, ...rest);
      const cut = await hold('alice', '10.96.0.20 7');
      const bobs = await hold('bob', '10.96.0.20 7');
      const flows = (words: string) => cluster.gateway.namespace.tries(`conntrack -L ${words}`);
      expect((await cluster.alice.namespace.ask('get http://10.96.0.20/')).answer).toMatchObject({ from: '10.1.0.1' });
      const others = await flows(`-s ${ALICE} -p tcp --dport 80`);
      const steps = await letIn(...rest);
      expect(steps.map(({ kind }) => kind)).toEqual(['change-elements', 'end-flows']);
      expect(await flows(`-s ${ALICE} -p tcp --dport 7`)).toBe('');
      await cut.exited;
      expect(JSON.parse(cut.lines.at(-1) ?? '').answer).toBe('ECONNRESET');
      const before = bobs.lines.length;
      await expect.poll(() => bobs.lines.length).toBeGreaterThan(before);
      expect(others).not.toBe('');
      expect(await flows(`-s ${ALICE} -p tcp --dport 80`)).not.toBe('');
      expect((await cluster.alice.namespace.ask('tcp 10.96.0.20 7')).answer).toBe('ECONNREFUSED');
      expect((await cluster.alice.namespace.ask('tcp 10.96.0.20 80')).answer).toBe('connected');
    });

    describe('ranges that the gateway advertises', () => {
      const ranges = (...texts: readonly string[]) =>
        cluster.gateway.sync(
          cluster.plan({
            accessDefault: 'Deny',
            routedCidrs: ['10.1.0.0/24', 'fd5a:1::/64'],
            granted: allGranted(...texts),
          }),
        );
      const asked = async (laptop: 'alice' | 'bob', question: string) =>
        seen((await cluster[laptop].namespace.ask(question)).answer);
      const pings = (laptop: 'alice' | 'bob') => cluster[laptop].namespace.tries('ping -c 1 -W 1 10.1.0.2');

      test('are reached by whom they were granted to, at the ports that were granted, and the node in them by nobody', async () => {
        await ranges(`${ALICE} 10.1.0.0/24 tcp 8080`, `${BOB} 10.1.0.2/32`, 'fd5a:213::16 fd5a:1::/64 tcp 8080');
        expect(await asked('alice', 'tcp 10.1.0.2 8080')).toBe('open');
        expect(await asked('alice', 'tcp 10.1.0.2 7007')).toBe('refused');
        expect(await asked('alice', 'udp 10.1.0.2 5353')).toBe('refused');
        expect(await asked('alice', 'tcp fd5a:1::2 8080')).toBe('open');
        expect(await asked('bob', 'tcp fd5a:1::2 8080')).toBe('refused');
        for (const question of ['tcp 10.1.0.2 8080', 'tcp 10.1.0.2 7007', 'udp 10.1.0.2 5353'])
          expect(await asked('bob', question)).toBe('open');
        expect(await pings('bob')).toContain('1 received');
        expect(await pings('alice')).toBe('');
        for (const laptop of ['alice', 'bob'] as const)
          expect(await asked(laptop, 'tcp 10.1.0.1 10250')).toBe('refused');
        expect(await asked('alice', 'tcp 10.96.0.20 80')).toBe('refused');
      });

      test('end as far as they end: what a narrower grant still holds goes on', async () => {
        await ranges(`${ALICE} 10.1.0.0/24`, `${BOB} 10.1.0.0/24`);
        const held = await hold('alice', '10.1.0.2 7007');
        const bobs = await hold('bob', '10.1.0.2 7007');
        await ranges(`${ALICE} 10.1.0.0/28`, `${BOB} 10.1.0.0/24`);
        const before = held.lines.length;
        await expect.poll(() => held.lines.length).toBeGreaterThan(before + 2);
        await ranges(`${ALICE} 10.1.0.0/28 tcp 8080`, `${BOB} 10.1.0.0/24`);
        await held.exited;
        expect(JSON.parse(held.lines.at(-1) ?? '').answer).toBe('ECONNRESET');
        const count = bobs.lines.length;
        await expect.poll(() => bobs.lines.length).toBeGreaterThan(count + 2);
        expect(await asked('alice', 'tcp 10.1.0.2 8080')).toBe('open');
      });
    });

    test('a cluster IP that is an address of the node, as ipvs has it, is open to whom it was granted, at that port alone', async () => {
      const { namespace } = cluster.gateway;
      await namespace.run('ip address add 10.96.0.50/32 dev lo');
      try {
        const granted = allGranted(`${ALICE} tcp 10.96.0.50 6443`, `${ALICE} udp 10.96.0.50 10000`);
        await cluster.gateway.sync(cluster.plan({ accessDefault: 'Deny', proxyMode: 'ipvs', granted }));
        const asked = async (laptop: 'alice' | 'bob', question: string) =>
          seen((await cluster[laptop].namespace.ask(question)).answer);
        expect(await asked('alice', 'tcp 10.96.0.50 6443')).toBe('open');
        expect(await asked('alice', 'tcp 10.96.0.50 10250')).toBe('refused');
        expect(await asked('alice', 'tcp 10.1.0.1 6443')).toBe('refused');
        expect(await asked('bob', 'tcp 10.96.0.50 6443')).toBe('refused');
        expect(await asked('bob', 'udp 10.96.0.50 10000')).toBe('refused');
      } finally {
        await namespace.run('ip address delete 10.96.0.50/32 dev lo');
      }
    });

    test(`one grant more or less among ${MANY} is one transaction of its own elements, and counters go on`, {
      timeout: 120_000,
    }, async () => {
      const many = Array.from(
        { length: MANY },
        (_, index) => `10.213.${Math.floor(index / 250)}.${index % 250} tcp 10.96.${index % 7}.${index % 200} 443`,
      ).map(aGrant);
      const loaded = await timed(() => cluster.gateway.sync(plan(many)));
      const refused = async () => {
        const text = await cluster.gateway.namespace.run(`nft list chain inet ${PLAN_NAMES.table} refuse`);
        return Number(/packets (\d+)/.exec(text)?.[1]);
      };
      expect((await cluster.alice.namespace.ask('tcp 10.96.0.20 80')).answer).toBe('ECONNREFUSED');
      const before = await refused();
      expect(before).toBeGreaterThan(0);
      const { state } = await cluster.gateway.host.observe(PLAN_NAMES);
      const looked = await timed(() => cluster.gateway.host.observe(PLAN_NAMES));
      const { commandsRun } = cluster.gateway;
      const begun = commandsRun.length;
      const grown = await timed(() => cluster.gateway.sync(plan([...many, aGrant(`${ALICE} tcp 10.96.0.20 80`)])));
      expect(grown.value).toEqual([
        {
          kind: 'change-elements',
          table: PLAN_NAMES.table,
          changes: [{ set: 'by_peer_tcp4', added: [`${ALICE} . 10.96.0.20 . 80`], removed: [] }],
        },
      ]);
      expect(commandsRun.slice(begun).filter((line) => line.startsWith('nft -f'))).toHaveLength(1);
      expect(commandsRun.slice(begun).filter((line) => line.startsWith('conntrack'))).toEqual([]);
      expect((await cluster.alice.namespace.ask('tcp 10.96.0.20 80')).answer).toBe('connected');
      expect(await refused()).toBeGreaterThanOrEqual(before);
      expect(state.ruleset?.elements.get('by_peer_tcp4')).toHaveLength(
        new Set(many.map((one) => JSON.stringify(one))).size,
      );
      const [step] = grown.value;
      const apply = await timed(() => cluster.gateway.host.apply(step as NonNullable<typeof step>));
      console.log(
        `${mode}: ${MANY} grants written in ${loaded.ms} ms, seen in ${looked.ms} ms; one more in ${apply.ms} ms, with a look in ${grown.ms} ms`,
      );
    });

    describeOpenFlows(() => cluster);
    describeRaces(() => cluster);
    describeScan(() => cluster, mode);
  },
);

/** What IPv6 says of a prohibition, Linux calls EACCES. */
const REFUSALS: readonly unknown[] = ['ECONNREFUSED', 'EHOSTUNREACH', 'EACCES'];

function seen(answer: unknown): 'open' | 'refused' | 'neither' {
  if (answer === 'connected' || typeof answer === 'object') return 'open';
  return REFUSALS.includes(answer) ? 'refused' : 'neither';
}

async function timed<T>(act: () => Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const began = performance.now();
  const value = await act();
  return { value, ms: Math.round(performance.now() - began) };
}
