import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { NodeSync } from '../../src/agent/node-sync.ts';
import type { MeshGateway, MeshGatewayStatus } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { Cache } from '../../src/k8s/store.ts';
import { NOTHING_GRANTED } from '../../src/mesh/access/access.ts';
import type { PublicKey } from '../../src/net/key.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { because } from '../support/because.ts';
import { aKey, aMember, aServedGateway } from '../support/builders.ts';
import { type Laptop, TestCluster } from './cluster.ts';
import { missing } from './machine.ts';
import { newKeys } from './mesh.ts';

/** As often as an agent does. */
const ARRIVALS_MS = 200;
/** Between an answer and the next question: often enough to be hit by a change, and the processor is free for it. */
const BETWEEN_MS = 10;
const WEB = 'get http://10.96.0.20/';
const ROUTED = '10.96.0.0/12,10.213.0.0/16,10.1.0.0/24,fd5a:96::/112,fd5a:213::/64,fd5a:1::/64';

type Keys = NonNullable<MeshGatewayStatus['keys']>;

describe.skipIf(missing)(`a gateway with another key${because(missing)}`, () => {
  const second = newKeys();
  let cluster: TestCluster;
  let first: PublicKey;
  let sync: NodeSync;
  let gateways: Cache<MeshGateway>;
  let following: Promise<void> = Promise.resolve();
  const ending = new AbortController();

  /** An agent's keeping of the node, which knows both laptops. */
  function newSync(): NodeSync {
    const made = new NodeSync({
      gateway: 'default',
      gateways,
      peers: new Cache<MeshPeer>(() => undefined),
      host: cluster.gateway.host,
      clock: systemClock,
      probeKey: aKey('probe'),
      access: { isKnown: () => true, granted: () => NOTHING_GRANTED, ended: () => 0 },
      onOperation: () => undefined,
    });
    for (const [index, { keys, addresses }] of [cluster.alice, cluster.bob].entries()) {
      const { publicKey } = keys;
      const own = addresses.map((cidr) => cidr.split('/')[0] ?? '');
      const peer = aMember({ name: `laptop-${index}`, spec: { publicKey }, status: { publicKey, addresses: own } });
      made.takePeer({ key: keyOf(peer.metadata), after: peer });
    }
    return made;
  }

  beforeAll(async () => {
    cluster = await TestCluster.create('nftables');
    first = cluster.gateway.keys.publicKey;
    gateways = new Cache<MeshGateway>(() => undefined);
    sync = newSync();
    await decided([key(first, 'Current', 1)]);
    void (async () => {
      while (!ending.signal.aborted) {
        await inTurn(() => sync.syncArrivals());
        await new Promise((resolve) => setTimeout(resolve, ARRIVALS_MS));
      }
    })();
  });

  afterAll(async () => {
    ending.abort();
    await following;
    await cluster?.dispose();
  });

  function key(publicKey: PublicKey, state: Keys[number]['state'], slot: 1 | 2): Keys[number] {
    const place =
      slot === 1 ? { listenPort: 51840, interface: 'wg-default' } : { listenPort: 51841, interface: 'wg-default_2' };
    return { publicKey, state, slot, ...place };
  }

  /** An agent does one thing after the other. */
  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = following.then(work);
    following = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }

  /** The operator says this of the gateway's keys, and the agent acts on it. */
  async function decided(keys: Keys): Promise<void> {
    const publicKey = keys.find(({ state }) => state === 'Current')?.publicKey ?? '';
    const status = {
      publicKey,
      keys,
      pool: ['10.213.0.0/16', 'fd5a:213::/64'],
      addresses: ['10.213.0.1', 'fd5a:213::1'],
      serviceCIDRs: ['10.96.0.0/12', 'fd5a:96::/112'].map((cidr) => ({ cidr, source: 'test' })),
      dns: { servers: ['10.96.0.10'], domain: 'cluster.local' },
    };
    gateways.put(aServedGateway({ spec: { access: { default: 'Allow', peerToPeer: 'Allow' } }, status }));
    await inTurn(() => sync.syncAll());
  }

  /**
   * What a device does that takes another configuration: the former key goes after the new one has its prefixes. The other way round
   * nobody has them until the kernel has removed a peer, which waits for all processors (synchronize_net in wg_peer_remove), and
   * whoever connects meanwhile is told that the host is unreachable.
   */
  async function changes({ namespace }: Laptop, from: PublicKey, to: PublicKey): Promise<void> {
    const port = to === first ? 51840 : 51841;
    const [net] = (await namespace.run('ip -4 -o address show dev eth0')).match(/192\.168\.\d+/) ?? [];
    await namespace.run(`wg set wg0 peer ${to} endpoint ${net}.1:${port} allowed-ips ${ROUTED} peer ${from} remove`);
    // As sallyport asks its gateway at once: who only waits for an answer would be noticed by its handshake, seconds later.
    await namespace.tries('ping -c 1 -W 2 10.213.0.1');
  }

  /** Asks one thing after the other, with a pause between two, until `during` has ended; says which got no answer, and the longest wait. */
  async function asking({ namespace }: Laptop, during: () => Promise<void>) {
    let isOver = false;
    const work = during().finally(() => {
      isOver = true;
    });
    const waits: number[] = [];
    const failed: unknown[] = [];
    while (!isOver) {
      const { answer, ms } = await namespace.ask(WEB);
      if (typeof answer !== 'object') failed.push({ answer, ms, nth: waits.length });
      waits.push(ms);
      await pause(BETWEEN_MS);
    }
    await work;
    return { asked: waits.length, failed, longestMs: Math.round(Math.max(...waits)) };
  }

  /** The numbers of the pings that nobody answered. */
  function lostIn(printed: string): readonly number[] {
    const answered = new Set([...printed.matchAll(/icmp_seq=(\d+)/g)].map(([, number]) => Number(number)));
    const sent = Number(/^(\d+) packets transmitted/m.exec(printed)?.[1]);
    return Array.from({ length: sent }, (_, index) => index + 1).filter((number) => !answered.has(number));
  }

  const pause = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
  const observed = async () => (await cluster.gateway.host.observe(sync.names)).state;

  test('serves it before anybody is told, and nobody notices', async () => {
    expect(await cluster.alice.namespace.ask(WEB)).toMatchObject({ answer: { received: 0 } });
    await cluster.gateway.bringKey(second);
    const { failed } = await asking(cluster.alice, () =>
      decided([key(first, 'Current', 1), key(second.publicKey, 'Next', 2)]),
    );
    expect(failed).toEqual([]);
    expect((await observed()).other?.device).toMatchObject({ name: 'wg-default_2', listenPort: 51841, up: true });
    await decided([key(second.publicKey, 'Current', 2), key(first, 'Former', 1)]);
    expect(await sync.syncAll()).toMatchObject({ operations: [] });
  });

  test('a laptop that takes the new key loses no request, nor does one that stays', async () => {
    const staying = asking(cluster.bob, () => pause(3000));
    const moving = await asking(cluster.alice, async () => {
      await pause(500);
      await changes(cluster.alice, first, second.publicKey);
      await pause(2000);
    });
    expect(moving.failed).toEqual([]);
    // Alone it is less than half a second: the agent looks five times a second, and TCP repeats itself. A busy machine is slower.
    expect(moving.longestMs).toBeLessThan(8_000);
    expect((await staying).failed).toEqual([]);
    expect((await observed()).routes).toContainEqual({ destination: '10.213.0.16/32', device: 'wg-default_2' });
  });

  test('the two reach each other, and each the gateway, over both families', async () => {
    await cluster.alice.namespace.run('ping -c 1 -W 5 fd5a:213::1');
    await cluster.alice.namespace.run('ping -c 1 -W 5 10.213.0.17');
    await cluster.bob.namespace.run('ping -c 1 -W 5 10.213.0.16');
    await expect.poll(() => cluster.bob.namespace.tries('ping -c 1 -W 1 fd5a:213::16')).toContain(' 0% packet loss');
    expect((await cluster.alice.namespace.ask('tcp 10.213.0.1 10250')).answer).toBe('ECONNREFUSED');
    expect((await cluster.bob.namespace.ask('tcp 10.213.0.1 10250')).answer).toBe('ECONNREFUSED');
  });

  test('a laptop that goes back, and comes again, is answered', async () => {
    const { failed } = await asking(cluster.alice, async () => {
      await changes(cluster.alice, second.publicKey, first);
      await pause(1500);
      await changes(cluster.alice, first, second.publicKey);
      await pause(1500);
    });
    expect(failed).toEqual([]);
  });

  test('the former key is put back, and taken back again, and neither who has moved nor who has not waits for an answer', async () => {
    const takesBack = async () => {
      await pause(300);
      await decided([key(first, 'Current', 1), { ...key(second.publicKey, 'Former', 2), newer: true }]);
      await pause(1000);
      await decided([key(second.publicKey, 'Current', 2), key(first, 'Former', 1)]);
      await pause(300);
    };
    const led = async () =>
      (await observed()).routes.map(({ destination, device }) => `${destination} ${device}`).sort();
    const before = await led();
    const pings = [cluster.alice, cluster.bob].map(({ namespace }) => namespace.run('ping -i 0.05 -c 80 10.213.0.1'));
    await takesBack();
    for (const ping of pings) expect(await ping).toContain(' 0% packet loss');
    expect(await led()).toEqual(before);
  });

  test('another agent finds who has moved in the routes', async () => {
    const other = newSync();
    expect(await inTurn(() => other.syncAll())).toMatchObject({ operations: [] });
  });

  test('once the former key ends, who moved goes on without a loss, and who stayed is out', async () => {
    const pinged = cluster.alice.namespace.run('ping -i 0.05 -c 60 10.213.0.1');
    const { failed } = await asking(cluster.alice, async () => {
      await pause(500);
      await decided([key(second.publicKey, 'Current', 2)]);
      await pause(1000);
    });
    expect(failed).toEqual([]);
    expect(lostIn(await pinged)).toEqual([]);
    const state = await observed();
    expect(state.device).toMatchObject({ name: 'wg-default_2' });
    expect(state.other).toBeUndefined();
    expect(state.routes.map(({ destination, device }) => `${destination} ${device}`).sort()).toEqual([
      '10.213.0.0/16 wg-default_2',
      'fd5a:213::/64 wg-default_2',
    ]);
    expect((await cluster.bob.namespace.ask('tcp 10.96.0.20 80')).answer).toBe('timeout');
  });

  test('the node is left as it was found', async () => {
    await inTurn(() => sync.cleanUp());
    const links = await cluster.gateway.namespace.run('ip -br link');
    expect(links).not.toContain('wg-default');
    expect(await cluster.gateway.namespace.run('nft list tables')).not.toContain('sallyport');
  });
});
