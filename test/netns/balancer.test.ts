import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { MeshGatewayNode } from '../../src/api/meshgatewaynode.ts';
import type { Running } from '../../src/host/exec.ts';
import type { Endpoint } from '../../src/net/endpoint.ts';
import { because } from '../support/because.ts';
import { BalancedNodes, type Handing, PORT, SERVICE } from './balanced-nodes.ts';
import { withoutIpvs } from './ipvs.ts';
import { hasKernelWireGuard, missing } from './machine.ts';
import { startProgram } from './mesh.ts';

const wireguard = hasKernelWireGuard ? 'kernel WireGuard' : 'wireguard-go';
/** Left alone, WireGuard doubts its session after 15 s. How fast it is shows in `failover_node_kill_lb_s`, not where others compute. */
const ALONE_MS = 12_000;

/** What a connection that was begun is done with, and what it was begun for. */
interface Attempt {
  readonly began: number;
  readonly connected: number;
}

describe.skipIf(missing)(`a laptop behind a NAT, by a load balancer, over ${wireguard}`, () => {
  let world: BalancedNodes;
  let application: Running | undefined;
  let attempts: Attempt[];

  async function begin(handing: Handing, spec: object = {}): Promise<void> {
    world = await BalancedNodes.create(handing, { spec });
    attempts = [];
    application = await startProgram(world.laptop.commands, `attempts.ts ${SERVICE} ${PORT} 50`, (line) => {
      if (line !== 'ready') attempts.push(JSON.parse(line));
    });
    await connectedAfter(0);
  }

  afterEach(async () => {
    await application?.stop();
    await world?.dispose();
  });

  /** When the first connection was accepted that was begun after a moment, in milliseconds since that moment. */
  async function connectedAfter(moment: number): Promise<number> {
    for (let waited = 0; waited < 25_000; waited += 20) {
      const accepted = attempts.filter(({ began }) => began > moment).map(({ connected }) => connected);
      if (accepted.length > 0) return Math.min(...accepted) - moment;
      await delay(20);
    }
    throw new Error('no connection in 25 s');
  }

  /** How long it takes until connections are accepted again, in milliseconds. */
  async function movesTo(place: 0 | 1): Promise<number> {
    await world.lead(place);
    return connectedAfter(Date.now());
  }

  async function goesOn(handing: Handing): Promise<void> {
    await begin(handing);
    const before = await world.seenAt(0);
    expect(await movesTo(1)).toBeLessThan(ALONE_MS);
    expect(await world.seenAt(1)).toBe(before);
    // The device may come before the call that it follows has been noted.
    await expect.poll(() => world.at(1).called).toEqual([1]);
  }

  async function comesBack(): Promise<void> {
    const endpoint = (await world.seenAt(1)) as Endpoint;
    await world.report(1);
    await world.forget(0, endpoint);
    expect(await movesTo(0)).toBeLessThan(ALONE_MS);
    await expect.poll(() => world.at(0).called).toEqual([1]);
  }

  function proxied(handing: Handing): void {
    test('goes on by the node that its packets come to, and comes back with its packets', async () => {
      await goesOn(handing);
      await comesBack();
    });

    test('goes on by the one node that is left, which has called it before its packets came', async () => {
      await begin(handing);
      const endpoint = (await world.seenAt(0)) as Endpoint;
      const { sync, called } = world.at(1);
      await world.kill(0);
      const killed = Date.now();
      await sync.callPeers([{ publicKey: world.laptopKeys.publicKey, endpoint, byOtherKey: false }]);
      // Its NAT does not know this node, and the balancer needs a while.
      await delay(500);
      await world.lead(1);
      await connectedAfter(Date.now());
      expect(Date.now() - killed).toBeLessThan(500 + ALONE_MS);
      expect(await world.seenAt(1)).toBe(endpoint);
      await expect.poll(() => called).toEqual([1]);
    });
  }

  describe.each(['nftables', 'iptables'] as const)('(%s)', proxied);
  describe.skipIf(withoutIpvs).each(['ipvs', 'ipvs, by a node port'] as const)(`(%s)${because(withoutIpvs)}`, proxied);
  test('goes on by the node that its packets come to (translated)', () => goesOn('translated'));

  test('is called although the report that tells of it comes later', async () => {
    await begin('nftables');
    const [report] = world.forgetReports();
    await world.lead(1);
    await expect.poll(() => world.at(1).told.length).toBeGreaterThan(0);
    expect(world.at(1).called).toEqual([]);
    world.tellReport(report as MeshGatewayNode);
    expect(await connectedAfter(Date.now())).toBeLessThan(ALONE_MS);
  });

  test('that shakes hands with another node by itself is called by none, nor one whose port changes', async () => {
    await begin('nftables');
    // What it would send to node 1 before its handshake would have it called.
    await world.hangUp();
    await world.lead(1);
    await world.dial();
    await connectedAfter(Date.now());
    await world.laptop.run('wg set wg0 listen-port 40404');
    await expect.poll(() => world.seenAt(1)).not.toBeUndefined();
    await connectedAfter(Date.now());
    await world.report(1);
    await delay(100);
    expect([...world.at(0).called, ...world.at(1).called]).toEqual([]);
  });

  test.each([
    ['a few addresses', 4],
    ['thousands of addresses', 8_000],
  ])('comes while data of no session flood the node from %s, by which nobody is called', async (_, addresses) => {
    await begin('nftables');
    const { address, told, called } = world.at(1);
    await world.balancer.run('ip route add local 198.18.0.0/15 dev lo');
    let sent = 0;
    const flood = await startProgram(world.balancer.commands, `strangers.ts ${address} 51840 ${addresses}`, (line) => {
      sent = Number(line) || 0;
    });
    const began = Date.now();
    await delay(2_000);
    expect(called).toEqual([]);
    const ms = await movesTo(1);
    await flood.stop();
    const seconds = (Date.now() - began) / 1000;
    console.log(
      `${Math.round(sent / seconds)} a second from ${addresses}: ${told.length} told in ${seconds} s, ${ms} ms`,
    );
    expect(told.length).toBeLessThan(200 * (seconds + 2));
    expect(sent).toBeGreaterThan(5 * told.length);
    expect(called).toEqual([1]);
  });
});
