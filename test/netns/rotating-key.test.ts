import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { KeyChanges } from '../../src/agent/key-changes.ts';
import { NodeSync } from '../../src/agent/node-sync.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import { Cache } from '../../src/k8s/store.ts';
import { NOTHING_GRANTED } from '../../src/mesh/access/access.ts';
import type { KeyPair } from '../../src/net/key-pair.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { aMember, aServedGateway } from '../support/builders.ts';
import { TestCluster } from './cluster.ts';
import { hasKernelWireGuard, missing } from './machine.ts';
import { newKeys, startProgram } from './mesh.ts';

const SERVICE = '10.96.0.20';
const EVERY_MS = 20;
/** Handshakes are told by the second. */
const APART_MS = 1_100;
/** In a guest each program takes many times as long to start. */
const SLOWNESS = Number(process.env.SALLYPORT_GUEST ?? '1');

/** A node's agent, as far as peers go: it looks closely while a device changes its key. */
class Looking {
  readonly sync: NodeSync;
  readonly #changes: KeyChanges;
  #work: Promise<unknown> = Promise.resolve();

  constructor(sync: NodeSync) {
    this.sync = sync;
    this.#changes = new KeyChanges({
      table: sync.table,
      clock: systemClock,
      onLook: () => void this.#lookAtPeers(),
    });
  }

  /** Looks now, after the look that is under way. */
  look(how: () => Promise<unknown>): Promise<unknown> {
    this.#work = this.#work.then(how).then(() => this.#changes.follow());
    return this.#work;
  }

  #lookAtPeers(): Promise<unknown> {
    this.#work = this.#work.then(async () => {
      const began = performance.now();
      await this.sync.syncPeers();
      this.#changes.follow(performance.now() - began);
    });
    return this.#work;
  }

  take(peer: MeshPeer): Promise<unknown> {
    this.sync.takePeer({ key: keyOf(peer.metadata), after: peer });
    return this.look(() => this.sync.syncTouched());
  }

  close(): Promise<unknown> {
    this.#changes.close();
    return this.#work;
  }
}

describe.skipIf(missing)(
  `a device that changes its key over ${hasKernelWireGuard ? 'kernel WireGuard' : 'wireguard-go'}`,
  () => {
    let cluster: TestCluster;
    let agent: Looking;
    let old: KeyPair;
    let next: KeyPair;

    const spec = () => ({ publicKey: old.publicKey, nextPublicKey: next.publicKey });
    const member = (over: object = {}) =>
      aMember({ address: '10.213.0.16', spec: { ...spec(), ...over }, status: spec() });
    const answer = async () => (await cluster.alice.namespace.ask(`tcp ${SERVICE} 80`)).answer;

    /** Has the laptop use a key, as `wg set` does it. */
    async function use({ privateKey }: KeyPair): Promise<void> {
      const file = join(cluster.gateway.folder, 'alice-now');
      await writeFile(file, privateKey, { mode: 0o600 });
      await cluster.alice.namespace.run(`wg set wg0 private-key ${file}`);
    }

    /** Of the laptop's new connections while something is done, the longest time between two that are accepted, in milliseconds. */
    async function longestGap(act: () => Promise<unknown>): Promise<number> {
      const times: number[] = [];
      const line = `attempts.ts ${SERVICE} 80 ${EVERY_MS}`;
      const running = await startProgram(cluster.alice.namespace.commands, line, (text) => {
        if (text.startsWith('{')) times.push(JSON.parse(text).connected);
      });
      await delay(500);
      await act();
      await delay(2_000);
      await running.stop();
      times.sort((one, other) => one - other);
      return Math.max(...times.slice(1).map((time, index) => time - (times[index] ?? time)));
    }

    beforeAll(async () => {
      cluster = await TestCluster.create('nftables');
    });
    afterAll(() => cluster?.dispose());

    beforeEach(async () => {
      [old, next] = [newKeys(), newKeys()];
      const gateways = new Cache<MeshGateway>(() => undefined);
      gateways.put(aServedGateway({ status: { publicKey: cluster.gateway.keys.publicKey } }));
      const rest = { clock: systemClock, probeKey: newKeys().publicKey, onOperation: () => undefined };
      const peers = new Cache<MeshPeer>(() => undefined);
      agent = new Looking(
        new NodeSync({
          access: { isKnown: () => true, granted: () => NOTHING_GRANTED, ended: () => 0 },
          gateway: 'default',
          gateways,
          peers,
          host: cluster.gateway.host,
          ...rest,
        }),
      );
      agent.sync.takePeer({ key: keyOf(member().metadata), after: member() });
      await agent.look(() => agent.sync.syncAll());
      await use(old);
      await cluster.shakeHands(cluster.alice);
      await expect.poll(answer).toBe('connected');
      await delay(APART_MS);
    });
    afterEach(() => agent?.close());

    test('is served by the next one within moments, and the former goes without being noticed', async () => {
      const changed = await longestGap(() => use(next));
      const ended = await longestGap(() => agent.take(member({ publicKey: next.publicKey, nextPublicKey: undefined })));
      console.log(`longest time without an answer: ${changed} ms at the change, ${ended} ms at its end`);
      // A session that is lost takes WireGuard five seconds at least.
      expect(changed).toBeLessThan(2_500 * SLOWNESS);
      expect(ended).toBeLessThan(2_500 * SLOWNESS);
      expect((await cluster.gateway.namespace.run('wg show wg-default peers')).includes(old.publicKey)).toBe(false);
    });

    test('costs a dump for each look and one command when its addresses move', async () => {
      const { commandsRun } = cluster.gateway;
      commandsRun.length = 0;
      // Looks are the rarer the longer they take.
      await expect.poll(() => commandsRun.length, { timeout: 10_000 }).toBeGreaterThan(1);
      expect(new Set(commandsRun)).toEqual(new Set(['wg show wg-default dump']));
      await use(next);
      await expect.poll(answer).toBe('connected');
      expect(commandsRun.filter((line) => !line.startsWith('wg show'))).toEqual([
        expect.stringMatching(/^wg set wg-default peer \S+ allowed-ips \+?10\.213\.0\.16\/32$/),
      ]);
    });

    test('may go back, die in the middle, and come with either', async () => {
      for (const keys of [next, old, next, old]) {
        await use(keys);
        await expect.poll(answer, { timeout: 10_000 }).toBe('connected');
        await delay(APART_MS);
        await cluster.alice.namespace.run('ip link set wg0 down');
        await use(keys === old ? next : old);
        await cluster.alice.namespace.run('ip link set wg0 up');
        await cluster.alice.namespace.run('ip route add 10.96.0.0/12 dev wg0');
        await expect.poll(answer, { timeout: 10_000 }).toBe('connected');
        await delay(APART_MS);
      }
    });

    test('is out with both at once when it is suspended', async () => {
      await use(next);
      await expect.poll(answer).toBe('connected');
      const { commandsRun } = cluster.gateway;
      commandsRun.length = 0;
      await agent.take(member({ suspended: true }));
      const [first = ''] = commandsRun.filter((line) => !line.startsWith('wg show'));
      expect([old, next].every(({ publicKey }) => first.includes(`peer ${publicKey} remove`))).toBe(true);
      for (const keys of [next, old]) {
        await use(keys);
        expect(await answer()).toBe('timeout');
      }
    });
  },
);
