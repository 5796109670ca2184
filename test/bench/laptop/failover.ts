import type { TunnelStatus } from '../../../src/cli/supervisor/status.ts';
import type { JoiningLaptop } from '../../lab/joining-laptop.ts';
import type { Laptop } from '../../lab/laptop.ts';
import { must, until } from '../../lab/mesh.ts';
import type { LabNode } from '../../lab/node.ts';
import { type Report, row } from '../row.ts';
import { type BenchLaptops, NAMESPACE } from './bench-laptops.ts';
import { Dials, EVERY_MS, now } from './dials.ts';
import type { Outage } from './outage.ts';
import { WAYS_TO_DIE, type WayToDie } from './ways-to-die.ts';

/** Longer nobody waits for a stock client, which stays with its node. */
const BOUND_S = 30;

export const failoverRows = WAYS_TO_DIE.flatMap(({ row, rivalRow }) => [row, rivalRow]);

/** What happened once. */
interface Failover {
  readonly cli: Outage;
  readonly stock: Outage | undefined;
  /** The longest pause between two answers just before, in milliseconds. */
  readonly usualMs: number;
}

/** How long new connections have no answer when the node in use is lost, beside a stock client on the same node. */
export async function failover(
  laptops: BenchLaptops,
  report: Report,
  isWanted: (row: string) => boolean,
): Promise<void> {
  const joined = await laptops.joined();
  const stock = await laptops.mesh.cluster.addLaptop('stock');
  for (const way of WAYS_TO_DIE) {
    if (![way.row, way.rivalRow].some(isWanted)) continue;
    const seen: Failover[] = [];
    for (let time = 0; time < way.times; time += 1)
      seen.push(await lost(laptops, { way, joined, stock: time === 0 ? stock : undefined }));
    tell(way, seen, report);
  }
}

interface Scene {
  readonly way: WayToDie;
  readonly joined: JoiningLaptop;
  /** Only where the stock client is measured as well. */
  readonly stock: Laptop | undefined;
}

async function lost({ mesh }: BenchLaptops, { way, joined, stock }: Scene): Promise<Failover> {
  const { used, other } = await ways(mesh.cluster.nodes, joined);
  const service = await mesh.serviceAddress(`hello-${other.name}`, NAMESPACE);
  if (stock !== undefined)
    await mesh.join(stock, await mesh.addDevice(`stock-${way.row.replaceAll('_', '-')}`), used.address);
  const machines = [joined.laptop, ...(stock === undefined ? [] : [stock])];
  const dials = machines.map((machine) => new Dials(machine, service));
  try {
    const [usualMs = 0] = await Promise.all(dials.map((each) => each.flow()));
    const { tunnel } = await joined.status();
    // What is lost must be what is in use, or the number means nothing.
    if (!leadsTo(tunnel, used))
      throw new Error(`the laptop moved away from ${used.name} before anything happened to it`);
    const since = now();
    const undo = await way.act(mesh, used, machines);
    const [cli, rival] = await Promise.all(dials.map((each) => each.mended(since, BOUND_S * 1000)));
    await undo();
    if (cli === undefined) throw new Error('nobody dialled');
    return { cli, stock: rival, usualMs };
  } finally {
    await Promise.all(dials.map((each) => each.stop()));
    if (stock !== undefined) await mesh.leave(stock);
  }
}

/** The node that the laptop uses, and one that it knows as well; the path must be known to work. */
async function ways(nodes: readonly LabNode[], joined: JoiningLaptop) {
  const { tunnel } = await until(
    'the path to work',
    () => joined.status(),
    ({ tunnel }) => tunnel?.gateways[0]?.path === 'online',
  );
  const used = nodes.find((node) => leadsTo(tunnel, node));
  const other = nodes.find((node) => !leadsTo(tunnel, node));
  if (used === undefined || other === undefined) throw new Error('the laptop has not the choice between two nodes');
  await until(
    'the laptop to know both nodes',
    async () => must(await joined.sallyport('config')),
    (text) => nodes.every(({ address }) => text.includes(`${address}:`)),
    90,
  );
  return { used, other };
}

function leadsTo(tunnel: TunnelStatus | undefined, { address }: LabNode): boolean {
  return tunnel?.gateways[0]?.endpoint?.startsWith(`${address}:`) === true;
}

function tell({ row: name, rivalRow, says }: WayToDie, seen: readonly Failover[], report: Report): void {
  const stock = seen.find((one) => one.stock !== undefined)?.stock;
  const rival = stock === undefined ? undefined : stock.ms / 1000;
  const usual = Math.max(...seen.map(({ usualMs }) => usualMs)).toFixed(0);
  const each = seen.map(
    ({ cli }) => `${(cli.ms / 1000).toFixed(2)}${cli.overAt === undefined ? ' without an end' : ''}`,
  );
  const what = `without an answer to new connections, one begun every ${EVERY_MS} ms, when ${says}`;
  report(
    row({
      name,
      unit: 's',
      value: Math.max(...seen.map(({ cli }) => cli.ms)) / 1000,
      goal: 1,
      floor: rival,
      n: seen.length,
      says: `${what}; the longest of ${each.join(', ')}; while nothing happened, answers came at most ${usual} ms apart; rival: ${rivalRow}`,
    }),
  );
  const end =
    stock?.overAt === undefined
      ? `there was none when nobody looked any longer, after ${BOUND_S} s`
      : 'then there was one';
  report(
    row({
      name: rivalRow,
      unit: 's',
      value: rival,
      n: 1,
      says: `${what}, with a stock wg-quick and the configuration of the MeshPeer's status, at the same node in the same moment: ${end}`,
    }),
  );
}
