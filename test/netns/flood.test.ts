import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { because } from '../support/because.ts';
import { TestCluster } from './cluster.ts';
import { missing } from './machine.ts';
import type { Namespace } from './namespace.ts';

const PER_SECOND = 50;
const BURST = 4 * PER_SECOND;
const FLOOD = 3_000;
const DNS = '10.96.0.10 53';
/** Nobody answers then. */
const MUTE = [
  'nft add table inet mute',
  'nft add chain inet mute out { type filter hook output priority 0 ; }',
  'nft add rule inet mute out udp sport 5353 drop',
];

describe.skipIf(missing)(`a device that opens connections as fast as it can${because(missing)}`, () => {
  let cluster: TestCluster;
  let alice: Namespace;
  let bob: Namespace;
  beforeAll(async () => {
    cluster = await TestCluster.create('nftables');
    [alice, bob] = [cluster.alice.namespace, cluster.bob.namespace];
  });
  afterAll(() => cluster?.dispose());

  const limit = async (newConnectionsPerSecond: number) => {
    const { gateway } = cluster;
    await gateway.sync(cluster.plan({ newConnectionsPerSecond }));
    await gateway.namespace.run('conntrack -F');
  };
  /** Resolves with how long it took, in seconds. */
  const flood = async (sockets: 'each' | 'one' = 'each') => {
    const program = join(import.meta.dirname, 'programs/flood.ts');
    return Number(await alice.run(`${process.execPath} ${program} ${DNS} ${FLOOD} ${sockets}`)) / 1000;
  };
  const tracked = async () => {
    const listed = await cluster.gateway.namespace.run('conntrack -L -p udp -s 10.213.0.16');
    return listed.split('\n').filter((line) => line.includes('src=10.213.0.16')).length;
  };
  const dropped = async () => {
    const chain = await cluster.gateway.namespace.run('nft list chain inet sallyport_default flood');
    return Number(/counter packets (\d+)/.exec(chain)?.[1]);
  };

  test('gets no more of the connection tracking than its rate, and is then served again', async () => {
    await limit(PER_SECOND);
    const seconds = await flood();
    const most = BURST + PER_SECOND * (seconds + 1);
    expect(most).toBeLessThan(FLOOD / 2);
    expect(await tracked()).toBeLessThanOrEqual(most);
    expect(await dropped()).toBeGreaterThanOrEqual(FLOOD - most);
    await expect
      .poll(async () => (await alice.ask(`udp ${DNS}`)).answer, { interval: 200 })
      .toMatchObject({ from: '10.1.0.1' });
  });

  test('another device and its own open connections are served meanwhile', async () => {
    await limit(PER_SECOND);
    const big = alice.ask('get http://10.96.0.20/big');
    const flooding = flood();
    const answers = [];
    for (let asked = 0; asked < 5; asked += 1) answers.push((await bob.ask('get http://10.96.0.20/')).answer);
    await flooding;
    expect(answers).toEqual(Array.from({ length: 5 }, () => expect.objectContaining({ from: '10.1.0.1' })));
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
    await flood();
    expect(await tracked()).toBeGreaterThan(FLOOD * 0.9);
  });
});
