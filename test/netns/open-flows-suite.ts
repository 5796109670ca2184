import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { NodeSync } from '../../src/agent/node-sync.ts';
import type { MeshGateway } from '../../src/api/meshgateway.ts';
import type { MeshPeer } from '../../src/api/meshpeer.ts';
import { keyOf } from '../../src/api/resource.ts';
import type { Running } from '../../src/host/exec.ts';
import type { Host } from '../../src/host/host.ts';
import { Cache } from '../../src/k8s/store.ts';
import { systemClock } from '../../src/runtime/clock.ts';
import { aKey } from '../support/builders.ts';
import { allGranted } from '../support/grants.ts';
import type { TestCluster } from './cluster.ts';
import { startProgram } from './mesh.ts';
import { scanWorld } from './scan-world.ts';

const ECHO = '10.96.0.20 7';
const CONFIGURATION = '10.213.0.1 51840';
const ALICES = '10.213.0.16 tcp 10.96.0.20 7';
const BOBS = '10.213.0.17 tcp 10.96.0.20 7';

/** What goes on and what ends of connections that were let in before the rules were what they are. */
export function describeOpenFlows(given: () => TestCluster): void {
  describe('connections that are open and not granted', () => {
    const holding: Running[] = [];
    let listener: Running;
    let gateways: Cache<MeshGateway>;

    beforeAll(async () => {
      listener = await startProgram(given().gateway.namespace.commands, 'backend.ts 2379 51840 8472');
    });
    afterEach(async () => {
      for (const held of holding.splice(0)) await held.stop();
    });
    afterAll(() => listener.stop());

    /** An agent's keeping of the node, on what it finds there. */
    function agent(grants: { readonly now: readonly string[] }, host: Host = given().gateway.host): NodeSync {
      const sync = new NodeSync({
        gateway: 'default',
        gateways,
        peers: new Cache<MeshPeer>(() => undefined),
        host,
        clock: systemClock,
        probeKey: aKey('probe'),
        access: { isKnown: () => true, granted: () => allGranted(...grants.now), ended: () => 0 },
        onOperation: () => undefined,
      });
      for (const peer of Object.values(scanWorld(given(), 'Deny').peers))
        sync.takePeer({ key: keyOf(peer.metadata), after: peer });
      return sync;
    }

    function decide(access: 'Allow' | 'Deny'): void {
      gateways ??= new Cache<MeshGateway>(() => undefined);
      gateways.put(scanWorld(given(), access).gateway);
    }

    async function hold(laptop: 'alice' | 'bob', target: string) {
      const lines: string[] = [];
      const { commands } = given()[laptop].namespace;
      const held = await startProgram(commands, `hold.ts ${target}`, (line) => lines.push(line));
      holding.push(held);
      return { lines, exited: held.exited };
    }

    /** Everything of both laptops that the tests are about; resolves once all of it is under way. */
    async function open() {
      const [alices, bobs, configuration] = [
        await hold('alice', ECHO),
        await hold('bob', ECHO),
        await hold('alice', CONFIGURATION),
      ];
      expect((await given().alice.namespace.ask('udp 10.96.0.10 53')).answer).toMatchObject({ from: '10.1.0.1' });
      return { alices, bobs, configuration };
    }

    async function expectAlicesEnd({ alices, bobs, configuration }: Awaited<ReturnType<typeof open>>): Promise<void> {
      await alices.exited;
      expect(JSON.parse(alices.lines.at(-1) ?? '').answer).toBe('ECONNRESET');
      const before = [bobs, configuration].map(({ lines }) => lines.length);
      for (const [index, { lines }] of [bobs, configuration].entries())
        await expect.poll(() => lines.length).toBeGreaterThan((before[index] ?? 0) + 2);
      expect(await given().gateway.namespace.tries('conntrack -L -s 10.213.0.16 -p udp --dport 53')).not.toBe('');
    }

    test('are ended by an agent that begins after another was killed before it had ended them', async () => {
      const { host } = given().gateway;
      decide('Deny');
      const grants = { now: [ALICES, BOBS] };
      const mortal: Host = {
        ...host,
        apply: (step) => (step.kind === 'end-flows' ? new Promise(() => undefined) : host.apply(step)),
      };
      const killed = agent(grants, mortal);
      await killed.syncAll();
      const held = await open();
      grants.now = [BOBS];
      killed.grantsChanged();
      expect((await killed.syncTouched()).operations.map(({ kind }) => kind)).toEqual(['change-elements', 'end-flows']);
      const before = held.alices.lines.length;
      await expect.poll(() => held.alices.lines.length).toBeGreaterThan(before + 2);
      expect((await agent(grants).syncAll()).operations).toEqual([]);
      await expectAlicesEnd(held);
    });

    test('end when a gateway begins to deny, and those of others go on', async () => {
      decide('Allow');
      const sync = agent({ now: [BOBS] });
      await sync.syncAll();
      const held = await open();
      decide('Deny');
      await sync.syncAll();
      await expectAlicesEnd(held);
    });
  });
}
