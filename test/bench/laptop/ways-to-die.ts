import type { Laptop } from '../../lab/laptop.ts';
import { type Mesh, must, until } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';

const PORT = 51_840;
const TABLE = 'bench_hole';

/** How a gateway's node goes, and comes back. */
export interface WayToDie {
  readonly row: string;
  readonly rivalRow: string;
  /** Completes "when …". */
  readonly says: string;
  readonly times: number;
  /** Resolves as soon as it is done, with what undoes it. */
  act(mesh: Mesh, node: LabNode, laptops: readonly Laptop[]): Promise<() => Promise<void>>;
}

export const WAYS_TO_DIE: readonly WayToDie[] = [
  {
    row: 'failover_cli_black_hole_s',
    rivalRow: 'failover_stock_black_hole_s',
    says: 'the endpoint in use becomes a black hole',
    times: 5,
    act: blackHole,
  },
  {
    row: 'failover_cli_s',
    rivalRow: 'failover_stock_s',
    says: 'the gateway node in use is killed',
    times: 5,
    act: kill,
  },
];

/** At the node, in both directions: a laptop that may not send would be told so at once. */
async function blackHole(_mesh: Mesh, node: LabNode, laptops: readonly Laptop[]): Promise<() => Promise<void>> {
  const addresses = laptops.map(({ address }) => address).join(', ');
  const ruleset = `table ip ${TABLE} {
    chain in { type filter hook prerouting priority -450; ip saddr { ${addresses} } udp dport ${PORT} drop; }
    chain out { type filter hook output priority -450; ip daddr { ${addresses} } udp sport ${PORT} drop; }
  }`;
  must(await node.exec(['nft', '-f', '-'], { input: ruleset }));
  return async () => {
    must(await node.exec(['nft', 'delete', 'table', 'ip', TABLE]));
  };
}

async function kill(mesh: Mesh, node: LabNode): Promise<() => Promise<void>> {
  await node.kill();
  return async () => {
    await node.start();
    await until(
      'all nodes of the gateway to serve',
      () => mesh.gateway(),
      ({ status }) => status?.nodes?.ready === mesh.cluster.nodes.length,
      120,
    );
  };
}
