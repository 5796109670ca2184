import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import type { Running } from '../../src/host/exec.ts';
import { BalancedNodes, type Handing, PORT, SERVICE } from './balanced-nodes.ts';
import { hasKernelWireGuard, missing } from './machine.ts';
import { startProgram } from './mesh.ts';

const wireguard = hasKernelWireGuard ? 'kernel WireGuard' : 'wireguard-go';
/** Left alone, WireGuard doubts its session after 15 s. */
const AT_ONCE_MS = 2_000;

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

  test.each(['nftables', 'iptables', 'translated'] as const)(
    'goes on by the node that its packets come to (%s)',
    async (handing) => {
      await begin(handing);
      const before = await world.seenAt(0);
      expect(await movesTo(1)).toBeLessThan(AT_ONCE_MS);
      expect(await world.seenAt(1)).toBe(before);
      expect(world.at(1).called).toEqual([1]);
    },
  );
});
