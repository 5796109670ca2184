import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createCommands } from '../../src/host/exec.ts';
import type { ProbeVerdict } from '../../src/mesh/node-status.ts';
import type { KeyPair } from '../../src/net/key-pair.ts';
import { PROBE_TIMEOUTS } from '../../src/usermode/probe-socket.ts';
import { PERFECT } from '../support/bad-network/path.ts';
import { Relay } from '../support/bad-network/relay.ts';
import { PLAN_NAMES } from '../support/node-plans.ts';
import { TestCluster } from './cluster.ts';
import { missing } from './machine.ts';
import { startProgram } from './mesh.ts';
import { Gateway, IPV4, wireguardGo } from './support-usermode.ts';

const PORT = 40_000;
const SEED = 20;
const BAD = { delayMs: 90, jitterMs: 20, loss: 0.05, duplicated: 0.05, reordered: 0.05 };

describe.skipIf(missing)('a laptop behind a bad network', () => {
  let cluster: TestCluster;
  let relay: Relay;

  beforeAll(async () => {
    cluster = await TestCluster.create('nftables');
    const { commands } = cluster.alice.namespace;
    relay = await Relay.start({
      commands,
      port: PORT,
      target: { address: '192.168.50.1', port: 51840 },
      seed: SEED,
    });
    await dial();
  });
  afterAll(async () => {
    await relay?.stop();
    await cluster?.dispose();
  });
  afterEach(() => relay.both(PERFECT));

  /** Has alice's WireGuard send to the relay from now on. */
  const dial = (settings = '') =>
    cluster.alice.namespace.run(
      `wg set wg0 peer ${cluster.gateway.keys.publicKey} endpoint 127.0.0.1:${PORT}${settings}`,
    );
  const get = async () => (await cluster.alice.namespace.ask('get http://10.96.0.20/')).answer;
  const dialledFrom = async () => {
    const peers = await cluster.gateway.host.observePeers(PLAN_NAMES.device);
    return peers.get(cluster.alice.keys.publicKey)?.endpoint;
  };

  test('gets its answers at 5 % loss and 200 ms, with packets that come late, twice and out of order', async () => {
    await relay.both(BAD);
    for (let round = 0; round < 5; round += 1) expect(await get()).toMatchObject({ from: '10.1.0.1' });
  });

  test('gets whole answers where packets arrive damaged', async () => {
    await relay.both({ corrupted: 0.1 });
    const { answer } = await cluster.alice.namespace.ask('post http://10.96.0.20/ 200000');
    expect(answer).toMatchObject({ received: 200_000 });
  });

  test('keeps a connection when its router gives it another port', async () => {
    let echoes = 0;
    const held = await startProgram(cluster.alice.namespace.commands, 'hold.ts 10.96.0.20 7', () => {
      echoes += 1;
    });
    try {
      const before = await dialledFrom();
      await relay.rebind();
      await expect.poll(dialledFrom, { timeout: 10_000 }).not.toBe(before);
      const heard = echoes;
      await expect.poll(() => echoes, { timeout: 10_000 }).toBeGreaterThan(heard + 10);
    } finally {
      await held.stop();
    }
  });

  test('keeps its mapping by keepalives, and makes another when it has none', async () => {
    await relay.translate({ idleMs: 1_500 });
    await dial(' persistent-keepalive 1');
    await get();
    const { mappings, up } = await relay.counts();
    await expect.poll(async () => (await relay.counts()).up, { timeout: 15_000 }).toBeGreaterThan(up + 4);
    expect((await relay.counts()).mappings).toBe(mappings);
    await dial(' persistent-keepalive off');
    await expect.poll(async () => (await relay.counts()).remembered, { timeout: 15_000 }).toBe(0);
    expect(await get()).toMatchObject({ from: '10.1.0.1' });
    expect((await relay.counts()).mappings).toBeGreaterThan(mappings);
    await relay.translate({});
  });

  test('shakes hands at 30 % loss', async () => {
    await relay.both({ loss: 0.3 });
    const run = (line: string) => cluster.alice.namespace.run(line);
    const { publicKey } = cluster.gateway.keys;
    const allowed = (await run('wg show wg0 allowed-ips')).trim().split(/\s/).slice(1).join();
    // Where both sides begin and the last packet is lost, WireGuard rests until there is something to send, keepalive or not: a
    // retry within five seconds of a response is dropped, and nothing arms the timer again.
    const shaken = async () => {
      await cluster.alice.namespace.tries('ping -c 1 -W 1 10.213.0.1');
      return Number((await run('wg show wg0 latest-handshakes')).trim().split(/\s/)[1] ?? 0);
    };
    await run(`wg set wg0 peer ${publicKey} remove`);
    await dial(` allowed-ips ${allowed} persistent-keepalive 1`);
    await expect.poll(shaken, { timeout: 60_000, interval: 200 }).toBeGreaterThan(0);
  }, 90_000);
});

describe.skipIf(missing)('what a node says of its Services behind a bad network', () => {
  let gateway: Gateway;
  let keys: KeyPair;
  let relay: Relay;

  beforeEach(async () => {
    gateway = await Gateway.create(await wireguardGo(), IPV4);
    keys = await gateway.start();
    const commands = createCommands(['ip', 'netns', 'exec', gateway.name]);
    relay = await Relay.start({
      commands,
      port: PORT,
      target: { address: '127.0.0.1', port: 51840 },
      seed: SEED,
    });
  });
  afterEach(async () => {
    await relay?.stop();
    await gateway?.dispose();
  });

  test('no probe of 30 fails at 5 % loss and 200 ms', async () => {
    await relay.both(BAD);
    const probe = gateway.prober(PROBE_TIMEOUTS, 'forget');
    const target = {
      peerPublicKey: keys.publicKey,
      endpoint: { address: '127.0.0.1', port: PORT },
      dns: { server: IPV4.dns, name: 'kubernetes.default.svc.cluster.local' },
      tcp: { address: IPV4.service, port: 443 },
    } as Parameters<typeof probe>[0];
    const results = [];
    for (let run = 0; run < 30; run += 1) results.push(await probe(target));
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
  }, 120_000);

  test('a black hole is told within 25 s, and its end with the next probe', async () => {
    const verdicts = gateway.probing(keys, PORT);
    expect(await verdicts.next()).toMatchObject({ reason: 'ProbeSucceeded' });
    await relay.both({ blackHole: true });
    const began = performance.now();
    const told = await until(verdicts, ({ reason }) => reason !== 'ProbeSucceeded');
    const seconds = (performance.now() - began) / 1000;
    console.log(`a black hole was told after ${seconds.toFixed(1)} s: ${told.message}`);
    expect(told.reason).toBe('HandshakeFailed');
    expect(seconds).toBeLessThan(25);
    await relay.both(PERFECT);
    expect(await until(verdicts, ({ reason }) => reason === 'ProbeSucceeded')).toBeDefined();
  }, 60_000);
});

async function until(
  verdicts: { next(): Promise<ProbeVerdict> },
  right: (verdict: ProbeVerdict) => boolean,
): Promise<ProbeVerdict> {
  for (;;) {
    const verdict = await verdicts.next();
    if (right(verdict)) return verdict;
  }
}
