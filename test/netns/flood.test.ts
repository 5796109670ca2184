import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { NodeTracking } from '../../src/agent/node-tracking.ts';
import type { Running } from '../../src/host/exec.ts';
import { failedSaying } from '../../src/host/exec-error.ts';
import { trackingVerdict } from '../../src/mesh/connection-tracking.ts';
import { peerTable } from '../../src/mesh/peer-table.ts';
import type { IpAddress } from '../../src/net/address.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import { createLog } from '../../src/runtime/log.ts';
import { because } from '../support/because.ts';
import { aMember, NOW } from '../support/builders.ts';
import { ManualClock } from '../support/fake-clock.ts';
import { aGrant } from '../support/grants.ts';
import { TestCluster } from './cluster.ts';
import { beginFlood, countArrivals, expectAnswers, expectServedDuring, QUESTIONS } from './flood.ts';
import { missing } from './machine.ts';
import { startProgram } from './mesh.ts';
import type { Namespace } from './namespace.ts';

const PER_SECOND = 50;
const FLOOD = 3_000;
/** So few that even half a flood, which may take half a minute where much else is to be done, is twice as many as are let through. */
const FEW_PER_SECOND = 20;
/** Even where much else is to be done, a flood is no less than that in a second. */
const LEAST_PER_SECOND = 200;
/** A hundred questions, on a machine that computes something else. */
const SERVED_MS = 120_000;
const DNS = '10.96.0.10 53';
/** Nobody answers then. */
const MUTE = [
  'nft add table inet mute',
  'nft add chain inet mute out { type filter hook output priority 0 ; }',
  'nft add rule inet mute out udp sport 5353 drop',
];

const ALICE = ['10.213.0.16', 'fd5a:213::16'] as const;
const BOB = ['10.213.0.17', 'fd5a:213::17'] as const;

let cluster: TestCluster;
let alice: Namespace;
let bob: Namespace;
beforeAll(async () => {
  if (missing !== undefined) return;
  cluster = await TestCluster.create('nftables');
  [alice, bob] = [cluster.alice.namespace, cluster.bob.namespace];
});
afterAll(() => cluster?.dispose());

/** Prints the rate at which a flood came, and how another device was served meanwhile; a few packets are no flood. */
function tell(what: string, flooded: Awaited<ReturnType<typeof expectServedDuring>>): void {
  const { arrived, seconds, again, longest } = flooded;
  const perSecond = Math.round(arrived / seconds);
  const served = `${QUESTIONS} of ${QUESTIONS} questions answered, ${again} not at once, the longest in ${longest} ms`;
  console.log(`${what}: ${perSecond} a second, for ${seconds} s: ${served}`);
  expect(perSecond).toBeGreaterThan(LEAST_PER_SECOND);
}

describe.skipIf(missing)(`a device that opens connections as fast as it can${because(missing)}`, () => {
  /** The connections that one may open meanwhile; some may come a little later. */
  const most = (perSecond: number, seconds: number) => perSecond * (4 + seconds + 1);
  const limit = async (newConnectionsPerSecond: number) => {
    const { gateway } = cluster;
    await gateway.sync(cluster.plan({ newConnectionsPerSecond }));
    await gateway.namespace.run('conntrack -F');
  };
  const flood = async (sockets: 'each' | 'one') => {
    const { over } = await beginFlood(alice, `${DNS} ${FLOOD} ${sockets}`);
    await over();
  };
  /** Floods until half of one has come: where much else is to be done, most may get lost. Resolves with how long it took, in seconds. */
  const floodUntil = async (arrived: () => Promise<number>) => {
    const began = performance.now();
    do await flood('each');
    while ((await arrived()) < FLOOD / 2);
    return (performance.now() - began) / 1000;
  };
  const tracked = async () => {
    const listed = await cluster.gateway.namespace.run('conntrack -L -p udp -s 10.213.0.16');
    return listed.split('\n').filter((line) => line.includes('src=10.213.0.16')).length;
  };
  const dropped = async () => {
    const chain = await cluster.gateway.namespace.run('nft list chain inet sallyport_default flood');
    return Number(/counter packets (\d+)/.exec(chain)?.[1]);
  };
  const opened = async () => (await tracked()) + (await dropped());

  test('gets no more of the connection tracking than its rate, and is then served again', async () => {
    await limit(FEW_PER_SECOND);
    const arrived = await countArrivals(cluster.gateway.namespace, ALICE[0], 53);
    const before = await dropped();
    const few = most(FEW_PER_SECOND, await floodUntil(arrived));
    expect(await tracked()).toBeLessThanOrEqual(few);
    // All that came and was more than that, was dropped.
    expect((await arrived()) - ((await dropped()) - before)).toBeLessThanOrEqual(few);
    expect(await arrived()).toBeGreaterThan(2 * few);
    await expect
      .poll(async () => (await alice.ask(`udp ${DNS}`)).answer, { interval: 200 })
      .toMatchObject({ from: '10.1.0.1' });
  });

  test('is no faster by connections to every port there is, and another device is served meanwhile', {
    timeout: SERVED_MS,
  }, async () => {
    const routedCidrs = ['10.1.0.0/24'] as Cidr[];
    await cluster.gateway.sync(cluster.plan({ newConnectionsPerSecond: PER_SECOND, routedCidrs }));
    await cluster.gateway.namespace.run('conntrack -F');
    const flooded = await expectServedDuring({ alice, bob }, '10.1.0.2 0 COUNT one', opened);
    const { seconds } = flooded;
    tell('new connections, each to another port', flooded);
    expect(await tracked()).toBeLessThanOrEqual(most(PER_SECOND, seconds));
  });

  test('another device and its own open connections are served meanwhile', { timeout: SERVED_MS }, async () => {
    await limit(PER_SECOND);
    const big = alice.ask('get http://10.96.0.20/big');
    tell(
      'new connections, each of another socket',
      await expectServedDuring({ alice, bob }, `${DNS} COUNT each`, opened),
    );
    expect((await big).answer).toEqual({ bytes: 10_000_000 });
  });

  test('is not one that sends many datagrams by one connection, answered or not', async () => {
    await limit(PER_SECOND);
    for (const line of MUTE) await cluster.backend.run(line);
    const before = await dropped();
    await flood('one');
    await cluster.backend.run('nft delete table inet mute');
    expect(await dropped()).toBe(before);
  });

  test('is let be where the gateway says so', async () => {
    await limit(0);
    const arrived = await countArrivals(cluster.gateway.namespace, ALICE[0], 53);
    await floodUntil(arrived);
    // Some may still be on their way, so what has come is counted first. One in twelve may have the port of one that was closed, of as many as two floods are.
    const came = await arrived();
    expect(await tracked()).toBeGreaterThan(0.9 * came);
  });
});

describe.skipIf(missing)(`whoever may send to the gateway, with sources that are not his${because(missing)}`, () => {
  const SOURCES = Array.from({ length: 64 }, (_, index) => `192.168.50.${100 + index}`);
  /** Longer than a device waits, time and again, until it shakes hands anew: it is told to show that its address is its own. */
  const FLOOD_MS = 150_000;

  test('keeps nobody from being served, nor from shaking hands', { timeout: 180_000 }, async () => {
    await cluster.gateway.sync(cluster.plan());
    await alice.runAll(SOURCES.map((source) => `ip address add ${source}/24 dev eth0`).join('\n'));
    // wireguard-go says them in any order.
    const peers = async () => (await cluster.gateway.namespace.run('wg show wg-default peers')).split('\n').sort();
    const before = await peers();
    const said: string[] = [];
    const words = `handshakes.ts 192.168.50.1 51840 ${cluster.gateway.keys.publicKey} ${FLOOD_MS} ${SOURCES.join(' ')}`;
    const flooding = await startProgram(alice.commands, words, (line) => said.push(line));
    try {
      const { again, longest } = await expectAnswers(bob);
      const began = performance.now();
      await cluster.shakeHands(cluster.bob);
      await expect
        .poll(() => bob.tries('ping -c 1 -W 1 10.213.0.1'), { interval: 200, timeout: 60_000 })
        .toContain('1 received');
      const letIn = Math.round(performance.now() - began);
      expect(said, 'the flood was over before').toHaveLength(1);
      await flooding.stop();
      const { sent, ms } = JSON.parse(said.at(-1) ?? '');
      const perSecond = Math.round(sent / (ms / 1000));
      const served = `${QUESTIONS} of ${QUESTIONS} questions answered, ${again} not at once, the longest in ${longest} ms`;
      console.log(`${perSecond} handshakes of strangers a second: ${served}; let in anew in ${letIn} ms`);
      expect(perSecond).toBeGreaterThan(LEAST_PER_SECOND);
    } finally {
      await flooding.stop();
      await alice.runAll(SOURCES.map((source) => `ip address delete ${source}/24 dev eth0`).join('\n'));
    }
    expect(await peers()).toEqual(before);
  });
});

describe.skipIf(missing)(`a device that asks for what nobody granted, as fast as it can${because(missing)}`, () => {
  test('is told so, fills no table, and keeps nobody from being served', { timeout: SERVED_MS }, async () => {
    const { gateway } = cluster;
    const granted = { services: [aGrant('10.213.0.17 tcp 10.96.0.20 80')], ranges: [] };
    await gateway.sync(cluster.plan({ accessDefault: 'Deny', granted, newConnectionsPerSecond: 0 }));
    await gateway.namespace.run('conntrack -F');
    const refused = async () => {
      const chain = await gateway.namespace.run('nft list chain inet sallyport_default refuse');
      return [...chain.matchAll(/counter packets (\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
    };
    const arrived = await countArrivals(gateway.namespace, ALICE[0], 9999);
    const before = await refused();
    tell('refused packets', await expectServedDuring({ alice, bob }, '10.96.0.20 9999 COUNT each', refused));
    // Each that came; the last ones may still be on their way.
    await expect.poll(async () => (await refused()) - before - (await arrived())).toBe(0);
    const tracked = await gateway.namespace.run('conntrack -L -s 10.213.0.16');
    expect(tracked.split('\n').filter((line) => line.includes('src=10.213.0.16'))).toEqual([]);
    // What a kernel says by ICMP to one address is limited by itself.
    await expect.poll(async () => (await alice.ask('udp 10.96.0.20 9999')).answer).toBe('EHOSTUNREACH');
  });
});

/** A quarter of a million entries, on a machine that computes something else. */
const FILL_MS = 200_000;
const MOST = 50;
const MORE = 30;

describe.skipIf(missing)(`a device that keeps connections open${because(missing)}`, () => {
  const running: Running[] = [];
  let tracking: NodeTracking;
  let limit: number;
  /** For how many entries there is room, if not for as many as the kernel says. */
  let room: number | undefined;
  beforeEach(async () => {
    await cluster.gateway.namespace.run('conntrack -F');
    room = undefined;
    const { host } = cluster.gateway;
    const peers = Object.entries({ alice: ALICE, bob: BOB }).map(([name, addresses]) =>
      aMember({ name, status: { addresses: [...addresses] } }),
    );
    tracking = new NodeTracking({
      host: {
        trackedBySource: (sources) => host.trackedBySource(sources),
        async observeTracking() {
          const reading = await host.observeTracking();
          return reading && { ...reading, most: room ?? reading.most };
        },
      },
      table: peerTable('default', peers, NOW),
      bounds: () => ({ pool: ['10.213.0.0/16', 'fd5a:213::/64'] as Cidr[], limit }),
      // Still, so that each look may take as long as it likes.
      clock: new ManualClock(),
      log: createLog({ level: 'silent' }),
      onLook: () => undefined,
      onFull: () => undefined,
    });
  });
  afterEach(async () => {
    for (const one of running.splice(0)) await one.stop();
  });

  /** What an agent does at each look, with a limit of so many: says which kinds of steps it took. */
  const look = async (most: number) => {
    limit = most;
    await tracking.look();
    const full = most === 0 ? null : tracking.full.flatMap(({ addresses }) => addresses);
    return (await cluster.gateway.sync(cluster.plan({ full }))).map(({ kind }) => kind);
  };
  /** Opens so many and keeps what is let in; says how many that is, and then how many still work. */
  const hold = async (count: number) => {
    const said: { open?: number; refused?: object; echoes?: number }[] = [];
    const onLine = (line: string) => void said.push(JSON.parse(line));
    running.push(await startProgram(alice.commands, `hold-many.ts 10.96.0.20 7 ${count}`, onLine));
    return { ...said[0], echoes: () => said.at(-1)?.echoes };
  };
  const answer = async (asking: Namespace) => (await asking.ask('get http://10.96.0.20/')).answer;
  const SERVED = { from: '10.1.0.1' };

  test('is refused more at once when it has as many as it may, and those go on; others are served', async () => {
    await look(MOST);
    const first = await hold(MOST);
    expect(first.open).toBe(MOST);
    expect(await look(MOST)).toEqual(['change-elements']);
    const { open, refused } = await hold(MORE);
    expect({ open, refused }).toEqual({ open: 0, refused: { ECONNREFUSED: MORE } });
    await expect.poll(first.echoes, { interval: 50 }).toBe(MOST);
    expect(await answer(bob)).toMatchObject(SERVED);
    expect(await look(MOST)).toEqual([]);
  });

  test('is served again when it has closed some, which TCP remembers and nobody counts', async () => {
    await look(MOST);
    await hold(MOST);
    await look(MOST);
    expect(await answer(alice)).not.toMatchObject(SERVED);
    for (const one of running.splice(0)) await one.stop();
    await expect.poll(() => look(MOST), { interval: 100 }).toEqual(['change-elements']);
    expect(await answer(alice)).toMatchObject(SERVED);
    const tracked = await cluster.gateway.host.trackedBySource(['10.213.0.16/32'] as Cidr[]);
    expect(tracked.get('10.213.0.16' as IpAddress)?.entries).toBeGreaterThanOrEqual(MOST);
  });

  test('keeps them whatever becomes of the limit, which changes no rule', async () => {
    await look(MOST);
    const { echoes } = await hold(MOST);
    expect([await look(MOST), await look(2 * MOST), await look(MORE)].flat()).toEqual(Array(3).fill('change-elements'));
    expect(await look(0)).toEqual(['replace-table']);
    expect((await hold(MORE)).open).toBe(MORE);
    await expect.poll(echoes, { interval: 50 }).toBe(MOST);
  });

  test('tells when the table is full and nobody opens anything any more, and when there is room again', {
    timeout: 300_000,
  }, async () => {
    const { namespace, host } = cluster.gateway;
    const { most = 0 } = (await host.observeTracking()) ?? {};
    const opens = async () => (await bob.ask('tcp 10.96.0.20 80')).answer;
    expect(await opens()).toBe('connected');
    // Each namespace has as much room as the kernel's one limit says.
    const opensInFull = async () => {
      await fill(namespace, ALICE[0], most);
      return opens();
    };
    // What others have left there may end while it is filled, and leaves room.
    await expect.poll(opensInFull, { timeout: FILL_MS }).toBe('timeout');
    await look(0);
    const { status, message } = trackingVerdict(tracking.standing);
    expect(status).toBe('False');
    expect(message).toContain(`sysctl -w net.netfilter.nf_conntrack_max=${2 * most} on the node`);
    expect(message).toMatch(/Of it team-a\/alice has (9\d|100) %: suspend a device/);
    await namespace.run('conntrack -F');
    await look(0);
    expect(trackingVerdict(tracking.standing)).toMatchObject({ status: 'True', reason: 'Enough' });
    await expect.poll(opens).toBe('connected');
  });

  test('shows in how full the node is', async () => {
    await hold(MOST);
    await look(0);
    const { reading, isNearlyFull } = tracking.standing ?? {};
    expect(isNearlyFull).toBe(false);
    expect(reading?.entries).toBeGreaterThanOrEqual(MOST);
    expect(reading?.most).toBeGreaterThan(reading?.entries ?? 0);
    // The kernel's own limit is one for all namespaces, and not ours to change.
    room = MOST;
    await look(0);
    const [holder] = tracking.standing?.holders ?? [];
    expect([tracking.standing?.isNearlyFull, holder?.peer]).toEqual([true, 'team-a/alice']);
    expect(holder?.percent).toBeGreaterThanOrEqual(100);
  });
});

/** Puts entries of this device into the node's connection tracking, as of connections that have had answers, until there is room for none. */
async function fill(node: Namespace, source: string, most: number): Promise<void> {
  const lines = Array.from({ length: most }, (_, index) => {
    const [port, to] = [1024 + (index % 60_000), `10.97.0.${1 + Math.floor(index / 60_000)}`];
    const reply = `--reply-src ${to} --reply-dst ${source} --reply-port-src 9 --reply-port-dst ${port}`;
    return `-A -p udp --src ${source} --dst ${to} --sport ${port} --dport 9 --status ASSURED,SEEN_REPLY --timeout 600 ${reply}`;
  });
  const file = join(cluster.gateway.folder, 'entries');
  await writeFile(file, lines.join('\n'));
  // The last ones find no room.
  await node.commands.run(['conntrack', '-R', file], { timeoutMs: FILL_MS }).catch((error: unknown) => {
    if (!failedSaying(error, /not enough memory/)) throw error;
  });
}
