import { join } from 'node:path';
import type { Ruleset } from '../../../src/dataplane/nftables/ruleset.ts';
import { TestCluster } from '../../netns/cluster.ts';
import { missing } from '../../netns/machine.ts';
import { aGrant } from '../../support/grants.ts';
import { PLAN_NAMES } from '../../support/node-plans.ts';
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

export const throughputRows = SIZES.map((size) => `throughput_grants_${size}`);

interface Sample {
  readonly size: number | undefined;
  readonly perSecond: number;
}

/**
 * One TCP connection from a laptop through WireGuard and the gateway to a Service, while the table of the gateway is one and then another.
 * They take turns, so that what else the machine does slows all of them.
 */
export async function throughput(report: Report): Promise<void> {
  if (missing !== undefined) throw new Error(missing);
  const cluster = await TestCluster.create('nftables');
  const rulesets = [undefined, ...SIZES].map((size) => ({ size, ruleset: rulesetWith(cluster, size) }));
  const samples: Sample[][] = [];
  try {
    const { turnedOn } = (await cluster.gateway.host.observe(PLAN_NAMES)).state.sysctls;
    for (let round = 0; round < ROUNDS; round += 1) {
      const ofRound: Sample[] = [];
      for (const { size, ruleset } of [...rulesets.slice(round % 4), ...rulesets.slice(0, round % 4)]) {
        await cluster.gateway.host.apply({ kind: 'replace-table', ruleset, turnedOn });
        ofRound.push({ size, perSecond: await drained(cluster) });
      }
      samples.push(ofRound);
    }
  } finally {
    await cluster.dispose();
  }
  for (const size of SIZES) sizeRow(size, samples, report);
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

/** Undefined for a gateway that allows by default. */
function rulesetWith(cluster: TestCluster, size: number | undefined): Ruleset {
  if (size === undefined) return cluster.plan().ruleset;
  const others = Array.from(
    { length: size },
    (_, index) => `10.213.${8 + (index >> 8)}.${index & 255} tcp 10.97.${index % 7}.${index % 200} 443`,
  );
  const services = [OWN, ...others].map(aGrant);
  return cluster.plan({ accessDefault: 'Deny', granted: { services, ranges: [] } }).ruleset;
}

function sizeRow(size: number, samples: readonly (readonly Sample[])[], report: Report): void {
  const ofSize = (wanted: number | undefined) => (round: readonly Sample[]) =>
    (round.find((sample) => sample.size === wanted)?.perSecond ?? Number.NaN) / 1e6;
  const none = median(samples.map(ofSize(undefined)));
  const shares = samples.map((round) => ofSize(size)(round) / ofSize(undefined)(round));
  report(
    row({
      name: `throughput_grants_${size}`,
      unit: 'Mbit/s',
      value: none * median(shares),
      least: LEAST * none,
      floor: none,
      n: samples.length,
      says: `of one TCP connection through WireGuard (wireguard-go) and a gateway that denies by default, to a granted Service, with the elements of ${size} other grants; floor: the same connection while the gateway allows every Service, in turn with it, ${SAMPLE_MS / 1000} s each, all on one processor; counted in seconds of that processor, so that it is the cost of the way and not how much else the machine does; the value is the floor by the median share within a round, ${percent(median(shares))} (${percent(Math.min(...shares))} to ${percent(Math.max(...shares))})`,
    }),
  );
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
