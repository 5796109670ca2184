import { silenceApiServer, unsilenceApiServer } from '../lab/adversity.ts';
import { startMesh } from '../lab/mesh.ts';
import { ofKubectl } from './lost-laptop/kubectl.ts';
import { LostLaptop } from './lost-laptop/lost-laptop.ts';
import { type Group, median, type Report, row } from './row.ts';

const TIMES = 5;
/** Devices that expire one after the other while nobody reaches the API server. */
const EXPIRING = ['expired-1', 'expired-2', 'expired-3'] as const;
const GOAL_S = 1;
const ROWS = ['lost_laptop_s', 'lost_laptop_operator_down_s', 'lost_laptop_api_server_down_s'] as const;

/** How long the device of a lost laptop still gets answers, on nodes of the lab. */
export const lostLaptopGroup: Group = {
  name: 'lost-laptop',
  rows: ROWS,
  async measure(report) {
    const mesh = await startMesh('bench-lost');
    try {
      const floor = median(await ofKubectl(mesh.cluster, TIMES));
      const lost = await LostLaptop.join(mesh, 'lost');
      const deleted = await lost.times(TIMES, 'deleted');
      putOut(ROWS[0], deleted, floor, `\`kubectl delete meshpeer\``, report);
      await mesh.scale('sallyport-operator', 0);
      const suspended = await lost.times(TIMES, 'suspended');
      await lost.stop();
      putOut(ROWS[1], suspended, floor, 'the `kubectl patch` that suspends it, no operator running,', report);
      const members = await Promise.all(EXPIRING.map((name) => LostLaptop.join(mesh, name)));
      const expiries = await LostLaptop.expireInTurn(members);
      await silenceApiServer(mesh.cluster);
      expired(await Promise.all(members.map((one, index) => one.silentSince(expiries[index] ?? 0))), report);
      await unsilenceApiServer(mesh.cluster);
      for (const member of members) await member.stop();
    } finally {
      await mesh.cluster.stop();
    }
  },
};

function putOut(name: string, seconds: readonly number[], floor: number, command: string, report: Report): void {
  report(
    row({
      name,
      unit: 's',
      value: Math.max(...seconds),
      goal: GOAL_S,
      floor,
      n: seconds.length,
      says: `from the start of ${command} to the last answer that a laptop got, which asks a Service every 5 ms; the longest of ${listed(seconds)}; floor: a \`kubectl delete\` of something that nobody watches, the median`,
    }),
  );
}

function expired(seconds: readonly number[], report: Report): void {
  report(
    row({
      name: ROWS[2],
      unit: 's',
      value: Math.max(...seconds),
      goal: GOAL_S,
      n: seconds.length,
      says: `from \`spec.expiresAt\` to the last answer that a laptop got, while neither agents nor anybody else reached the API server; the longest of ${listed(seconds)}`,
    }),
  );
}

function listed(seconds: readonly number[]): string {
  return seconds.map((one) => one.toFixed(2)).join(', ');
}
