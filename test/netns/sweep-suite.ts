import { describe, expect, test } from 'vitest';
import type { TestCluster } from './cluster.ts';
import type { LaptopName } from './scan.ts';
import { isReachable, type ScanWishes, type ScanWorld } from './scan-world.ts';
import { type Sweep, SweepWatch, sweepTcp, sweepUdp } from './sweep.ts';

export interface SweepOptions {
  /** Brings the node to a world of objects. */
  readonly bringTo: (access: 'Allow' | 'Deny', wishes: ScanWishes) => Promise<ScanWorld>;
  /** Which ports are tried of the node at its own address, and which at its other one and at those of the gateway. */
  readonly ports: Readonly<Record<'node' | 'gateway', readonly number[]>>;
}

/** Many ports of the node and of the gateway's mesh addresses, by TCP and UDP, as fast as laptops can: the result is computed from the objects. */
export function describeSweep(given: () => TestCluster, { bringTo, ports: { node, gateway } }: SweepOptions): void {
  describe(`${node.length} ports of the node, and ${gateway.length} of the gateway`, { timeout: 300_000 }, () => {
    test.each(['Allow', 'Deny'] as const)('are open as the objects say: %s by default', async (access) => {
      // Otherwise it is this limit that would be measured.
      const world = await bringTo(access, { newConnectionsPerSecond: 0 });
      // Where access is denied by default, bob was granted a range that the node's own address is in.
      const pairs = [
        [aSweep('bob', '10.1.0.1', node), aSweep('alice', '10.213.0.1', gateway)],
        [aSweep('bob', 'fd5a:1::1', gateway), aSweep('alice', 'fd5a:213::1', gateway)],
      ];
      const addresses = pairs.flat().map(({ address }) => address);
      const watch = await SweepWatch.begin(given().gateway.namespace, addresses);
      const expectAsSaid = async (swept: Sweep) => {
        const { name, address, ports } = swept;
        const open = (kind: string) => ports.filter((port) => isReachable(world, name, `${kind} ${address} ${port}`));
        const refused = ports.length - open('tcp').length;
        expect(await sweepTcp(given(), swept), address).toEqual({ open: open('tcp'), silent: [], refused });
        expect(await watch.letInAt('tcp', address), address).toEqual(open('tcp'));
        await sweepUdp(given(), swept, watch);
        expect(await watch.letInAt('udp', address), address).toEqual(open('udp'));
      };
      try {
        for (const pair of pairs) await Promise.all(pair.map(expectAsSaid));
      } finally {
        await watch.stop();
      }
    });
  });
}

function aSweep(name: LaptopName, address: string, ports: readonly number[]): Sweep {
  return { name, address, ports };
}
