import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { callSteps } from '../../src/agent/calling.ts';
import type { WantedPeer } from '../../src/dataplane/wireguard/device.ts';
import type { Running } from '../../src/host/exec.ts';
import type { Cidr } from '../../src/net/cidr.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { hasKernelWireGuard, missing } from './machine.ts';
import { startProgram } from './mesh.ts';
import { SERVICE, TwoGateways } from './two-gateways.ts';

const wireguard = hasKernelWireGuard ? 'kernel WireGuard' : 'wireguard-go';
/** What a connection that was begun is done with, and what it was begun for. */
interface Attempt {
  readonly began: number;
  readonly connected: number;
}

describe.skipIf(missing)(`a laptop with nothing but WireGuard, called over ${wireguard}`, () => {
  let two: TwoGateways;
  let application: Running;
  let attempts: Attempt[];

  beforeAll(async () => {
    two = await TwoGateways.create('Auto');
  });
  afterAll(() => two?.dispose());

  beforeEach(async () => {
    await two.renew();
    attempts = [];
    application = await startProgram(two.laptop.commands, `attempts.ts ${SERVICE} 8080 50`, (line) => {
      if (line !== 'ready') attempts.push(JSON.parse(line));
    });
    await connectedAfter(0);
  });

  afterEach(() => application?.stop());

  /** When the first connection was accepted that was begun after a moment, in milliseconds since that moment. */
  async function connectedAfter(moment: number): Promise<number> {
    for (let waited = 0; waited < 20_000; waited += 20) {
      const accepted = attempts.filter(({ began }) => began > moment).map(({ connected }) => connected);
      if (accepted.length > 0) return Math.min(...accepted) - moment;
      await delay(20);
    }
    throw new Error('no connection in 20 s');
  }

  /** Where the laptop sends now. */
  const dials = async () => (await two.laptop.run('wg show wg0 endpoints')).trim().split('\t')[1];
  const peersOf = async (place: 0 | 1) => (await two.node(place).wireguard.dump('wg0'))?.peers ?? new Map();

  /** Has a node call the laptop where another one had it. */
  async function call(place: 0 | 1, endpoint: Endpoint | undefined): Promise<void> {
    const { publicKey } = two.laptopKeys;
    const wanted: WantedPeer = { publicKey, allowedIPs: ['10.213.0.16/32' as Cidr] };
    const seen = { name: 'wg0', peers: new Map(await peersOf(place)) };
    const calls = [{ publicKey, ...(endpoint && { endpoint }), byOtherKey: false }];
    for (const { changes } of callSteps(calls, [seen], new Map([[publicKey, wanted]])))
      await two.node(place).wireguard.setPeers('wg0', changes);
  }

  const laptopAt = async (place: 0 | 1) => (await peersOf(place)).get(two.laptopKeys.publicKey)?.endpoint;
  /** The laptop's way to node 1 is by another network of its, as where it has more than one. */
  const alsoAt = (endpoint: Endpoint | undefined) => endpoint?.replace('192.168.60.2', '192.168.61.2') as Endpoint;

  test('goes to the node that calls it when its own has died, without anything being done on it', async () => {
    const endpoint = alsoAt(await laptopAt(0));
    await two.kill(0);
    const killed = Date.now();
    await call(1, endpoint);
    const ms = await connectedAfter(killed);
    console.log(`connected ${ms} ms after the kill and the call`);
    expect(await dials()).toBe('192.168.61.1:51840');
    // Left alone it would take WireGuard 15 s to doubt its session, and it would never find another node.
    expect(ms).toBeLessThan(5_000);
  });

  test('comes although the node that calls had a session with it moments ago', async () => {
    await two.dial(two.node(1).endpoint);
    await connectedAfter(Date.now());
    await two.dial(two.node(0).endpoint);
    await connectedAfter(Date.now());
    expect(await dials()).toBe('192.168.60.1:51840');
    const endpoint = alsoAt(await laptopAt(0));
    await two.kill(0);
    const killed = Date.now();
    await call(1, endpoint);
    expect(await connectedAfter(killed)).toBeLessThan(5_000);
    expect(await dials()).toBe('192.168.61.1:51840');
  });

  test('comes when it is called anew, although its answer to the first call was lost', async () => {
    const endpoint = alsoAt(await laptopAt(0));
    await two.kill(0);
    await two.blackHole(1, 'on');
    await call(1, endpoint);
    await two.blackHole(1, 'off');
    // A device takes no more than one handshake in 20 ms (INITIATIONS_PER_SECOND).
    await delay(100);
    const again = Date.now();
    await call(1, endpoint);
    // WireGuard itself would begin no other handshake for five seconds.
    expect(await connectedAfter(again)).toBeLessThan(3_000);
    expect(await dials()).toBe('192.168.61.1:51840');
  });

  test('comes when it is called anew, although the node had something for it and did not know where it was', async () => {
    const endpoint = alsoAt(await laptopAt(0));
    await two.kill(0);
    // wireguard-go begins a handshake with nobody then, which puts off that of the first call; the kernel does not.
    await two.node(1).namespace.tries('ping -c 1 -W 1 10.213.0.16');
    const called = Date.now();
    await call(1, endpoint);
    // As long as nodes wait; whoever has come keeps the session.
    await delay(1_000);
    if (!attempts.some(({ began }) => began > called)) await call(1, endpoint);
    expect(await connectedAfter(called)).toBeLessThan(3_000);
    expect(await dials()).toBe('192.168.61.1:51840');
  });

  test('is drawn back by a node that still sends to it, and comes again when it is called again', async () => {
    // By two handshakes with node 1 it would have forgotten the session that node 0 draws it back by.
    await call(1, alsoAt(await laptopAt(0)));
    // As often as nodes do: what the other one sends may come after a call.
    const calledBy = (place: 0 | 1) => async () => {
      await call(place, undefined);
      return dials();
    };
    await expect.poll(calledBy(1), { interval: 500 }).toBe('192.168.61.1:51840');
    await expect.poll(calledBy(0), { interval: 500 }).toBe('192.168.60.1:51840');
    await expect.poll(calledBy(1), { interval: 500 }).toBe('192.168.61.1:51840');
    const back = Date.now();
    const goesOn = async () => ({ dialled: await calledBy(1)(), goesOn: attempts.some(({ began }) => began > back) });
    await expect
      .poll(goesOn, { interval: 1_000, timeout: 5_000 })
      .toEqual({ dialled: '192.168.61.1:51840', goesOn: true });
  });

  test('no keepalive stays behind that would draw it from wherever it goes', async () => {
    await call(1, alsoAt(await laptopAt(0)));
    const keepalives = await two.node(1).namespace.run('wg show wg0 persistent-keepalive');
    expect(keepalives.trim().split('\t')[1]).toBe('off');
  });
});
