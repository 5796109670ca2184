import { type Report, row } from '../row.ts';
import type { Write } from './audited-server.ts';
import { RestingMesh } from './resting-mesh.ts';

const NODES = 10;
const DEVICES = 10_000;
/** Longer than a report lets pass before it tells handshakes anew. */
const MEASURED_S = 360;
const HOURS = 3;

export const atRestRow = 'api_writes_per_s_10k_peers';

/** What a mesh at rest writes: all devices connected, and shaking hands as real ones do. */
export async function atRest(report: Report): Promise<void> {
  const mesh = await RestingMesh.start(NODES, DEVICES);
  try {
    await mesh.connectHoursAgo(HOURS);
    const writes = await mesh.writesIn(MEASURED_S * 1000);
    const rate = (some: readonly Write[]) => some.length / MEASURED_S;
    report(
      row({
        name: atRestRow,
        unit: '/s',
        value: rate(writes),
        goal: 5,
        floor: rate(writes.filter(({ what }) => what === 'leases')),
        n: writes.length,
        says: `requests that change something, by the audit log of a kube-apiserver in ${MEASURED_S} s in which nothing happens but a handshake of each of ${DEVICES} devices every two minutes, over ${NODES} nodes (${kinds(writes)}; at most ${most(writes)} in one second); operator, its election and agents are real, the nodes' interfaces are in memory, and the devices connected when all clocks stood ${HOURS} hours earlier; floor: the Leases of nodes and operator alone`,
      }),
    );
  } finally {
    await mesh.stop();
  }
}

/** `meshpeers/status 1.1, leases 1.5`: a second. */
function kinds(writes: readonly Write[]): string {
  const counts = new Map<string, number>();
  for (const { what } of writes) counts.set(what, (counts.get(what) ?? 0) + 1);
  const sorted = [...counts].sort(([, one], [, other]) => other - one);
  return sorted.map(([what, count]) => `${what} ${(count / MEASURED_S).toFixed(2)}`).join(', ');
}

function most(writes: readonly Write[]): number {
  const counts = new Map<number, number>();
  for (const { at } of writes) counts.set(Math.floor(at / 1000), (counts.get(Math.floor(at / 1000)) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}
