import { setTimeout as delay } from 'node:timers/promises';
import { silenceApiServer, unsilenceApiServer } from '../lab/adversity.ts';
import { startMesh } from '../lab/mesh.ts';
import { ofKubectl } from './lost-laptop/kubectl.ts';
import { LostLaptop } from './lost-laptop/lost-laptop.ts';
import { type Group, median, type Report, row } from './row.ts';

const TIMES = 5;
/** The first is put out by a command; the others expire one after the other while nobody reaches the API server. */
const NAMES = ['lost', 'expired-1', 'expired-2', 'expired-3'] as const;
/** Long enough for the nodes to hear of the expiries, and over before the first. */
const HEARD_MS = 1_500;
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
      const [lost, ...expiring] = await Promise.all(NAMES.map((name) => LostLaptop.join(mesh, name)));
      if (lost === undefined) throw new Error('no laptop has joined');
      await lost.begin();
      const deleted = await lost.times(TIMES, 'deleted');
      putOut(ROWS[0], deleted, floor, `\`kubectl delete meshpeer\``, report);
      await mesh.scale('sallyport-operator', 0);
      const suspended = await lost.times(TIMES, 'suspended');
      await lost.stop();
      putOut(ROWS[1], suspended, floor, 'the `kubectl patch` that suspends it, no operator running,', report);
      await Promise.all(expiring.map((one) => one.begin()));
      const expiries = await LostLaptop.expireInTurn(expiring);
      await delay(HEARD_MS);
      await silenceApiServer(mesh.cluster);
      expired(await Promise.all(expiring.map((one, index) => one.silentSince(expiries[index] ?? 0))), report);
      await unsilenceApiServer(mesh.cluster);
      for (const one of expiring) await one.stop();
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
