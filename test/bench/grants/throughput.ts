import { join } from 'node:path';
import { TestCluster } from '../../netns/cluster.ts';
import { missing } from '../../netns/machine.ts';
import { aGrant } from '../../support/grants.ts';
import { type NodePlanWishes, PLAN_NAMES } from '../../support/node-plans.ts';
import { median, type Report, row } from '../row.ts';
import { processorTime } from './processor-time.ts';

const SOURCE = join(import.meta.dirname, 'drain-source.ts');
const SIZES = [0, 1_000, 10_000] as const;
const ROUNDS = 16;
const SAMPLE_MS = 1_500;
/** The share of the throughput without rules of access that there must be with them. */
const LEAST = 0.98;
/** The device that is measured is granted what it asks for, whatever else is. */
const OWN = '10.213.0.16 tcp 10.96.0.20 80';

/** A way that is measured against that of a gateway that allows every Service. */
interface Way {
  readonly row: string;
  readonly wishes: NodePlanWishes;
  readonly says: string;
  /** The share of the throughput of the other that there must be. */
  readonly least?: number;
}

const GRANTED: readonly Way[] = SIZES.map((size) => ({
  row: `throughput_grants_${size}`,
  wishes: { accessDefault: 'Deny', granted: { services: grantsBeside(size), ranges: [] } },
  says: `a gateway that denies by default, to a granted Service, with the elements of ${size} other grants`,
  least: LEAST,
}));

const WAYS: readonly Way[] = [
  ...GRANTED,
  {
    row: 'throughput_audited',
    wishes: { audited: 'All' },
    says: 'a gateway whose audit log tells what connections carry that are let in',
  },
];

export const throughputRows = WAYS.map(({ row }) => row);

interface Sample {
  /** None where nothing but every Service being allowed is measured. */
  readonly way: Way | undefined;
  readonly perSecond: number;
}

/**
 * One TCP connection from a laptop through WireGuard and the gateway to a Service, while the table of the gateway is one and then another.
 * They take turns, so that what else the machine does slows all of them.
 */
export async function throughput(report: Report): Promise<void> {
  if (missing !== undefined) throw new Error(missing);
  const cluster = await TestCluster.create('nftables');
  const ways = [undefined, ...WAYS].map((way) => ({ way, ruleset: cluster.plan(way?.wishes ?? {}).ruleset }));
  const samples: Sample[][] = [];
  try {
    const { turnedOn } = (await cluster.gateway.host.observe(PLAN_NAMES)).state.sysctls;
    for (let round = 0; round < ROUNDS; round += 1) {
      const ofRound: Sample[] = [];
      const first = round % ways.length;
      for (const { way, ruleset } of [...ways.slice(first), ...ways.slice(0, first)]) {
        await cluster.gateway.host.apply({ kind: 'replace-table', ruleset, turnedOn });
        ofRound.push({ way, perSecond: await drained(cluster) });
      }
      samples.push(ofRound);
    }
  } finally {
    await cluster.dispose();
  }
  for (const way of WAYS) wayRow(way, samples, report);
}

/** Bits in a second of processor time. */
async function drained({ alice, gateway, backend }: TestCluster): Promise<number> {
  const all = [alice.namespace, gateway.namespace, backend];
  const marks: { readonly bytes: number; readonly ms: number }[] = [];
  const ended = Promise.withResolvers<void>();
  const began = performance.now();
  const drain = alice.namespace.commands.start([process.execPath, SOURCE, 'http://10.96.0.20/big'], (line) => {
    const isLast = performance.now() - began > SAMPLE_MS;
    if (marks.length === 0 || isLast) marks.push({ bytes: Number(line), ms: processorTime(all) });
    if (marks.length > 1) ended.resolve();
  });
  void drain.exited.then(({ stderr }) => ended.reject(new Error(`the flow ended: ${stderr}`)));
  await ended.promise;
  await drain.stop();
  const [first, last] = marks;
  if (first === undefined || last === undefined) throw new Error('nothing was measured');
  return (8 * (last.bytes - first.bytes)) / ((last.ms - first.ms) / 1000);
}

function grantsBeside(size: number): ReturnType<typeof aGrant>[] {
  const others = Array.from(
    { length: size },
    (_, index) => `10.213.${8 + (index >> 8)}.${index & 255} tcp 10.97.${index % 7}.${index % 200} 443`,
  );
  return [OWN, ...others].map(aGrant);
}

function wayRow(way: Way, samples: readonly (readonly Sample[])[], report: Report): void {
  const of = (wanted: Way | undefined) => (round: readonly Sample[]) =>
    (round.find((sample) => sample.way === wanted)?.perSecond ?? Number.NaN) / 1e6;
  const none = median(samples.map(of(undefined)));
  const shares = samples.map((round) => of(way)(round) / of(undefined)(round));
  report(
    row({
      name: way.row,
      unit: 'Mbit/s',
      value: none * median(shares),
      ...(way.least === undefined ? {} : { least: way.least * none }),
      floor: none,
      n: samples.length,
      says: `of one TCP connection through WireGuard (wireguard-go) and ${way.says}; floor: the same connection while the gateway allows every Service, in turn with it, ${SAMPLE_MS / 1000} s each, all on one processor; counted in seconds of that processor, so that it is the cost of the way and not how much else the machine does; the value is the floor by the median share within a round, ${percent(median(shares))} (${percent(Math.min(...shares))} to ${percent(Math.max(...shares))})`,
    }),
  );
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
