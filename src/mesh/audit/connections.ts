import type { Service } from '../../api/core.ts';
import type { IpAddress } from '../../net/address.ts';
import { clusterIpsOf } from '../access/resolve.ts';
import type { PeerTable } from '../peer-table.ts';
import { type AuditLine, auditedPeer } from './line.ts';
import type { Sighting } from './sets.ts';

/** What the names in lines are taken from. */
export interface AuditNames {
  readonly table: Pick<PeerTable, 'memberAt'>;
  readonly services: ReadonlyMap<IpAddress, Service>;
  /** The node's own, which is nobody's device. */
  readonly probes: readonly IpAddress[];
}

/** What a look at the sets has to tell, and of how many packets or connections nothing is told. */
export interface ConnectionLines {
  readonly lines: readonly AuditLine[];
  readonly leftOut: number;
}

const LINES_PER_S = 200;
/** Writing more at once would hold up everything else that the agent does. */
const MOST_LINES = 2_000;

/**
 * How many connections have lines of their own after a look, by the milliseconds since the look before: on a busy node looks are rarer, and
 * tell of more.
 */
export function mostLines(ms: number): number {
  return Math.min(MOST_LINES, Math.floor((LINES_PER_S * ms) / 1000));
}

/**
 * A line for each device and destination, `most` in all. Where there are more, devices take turns, so that one that scans the cluster
 * does not push out the lines of others; of each, what happened most often comes first.
 */
export function connectionLines(sightings: readonly Sighting[], names: AuditNames, most: number): ConnectionLines {
  const told = inTurns(sightings.filter(({ source }) => !names.probes.includes(source)));
  const leftOut = told.slice(most).reduce((sum, { packets }) => sum + packets, 0);
  return { lines: told.slice(0, most).map((sighting) => lineOf(sighting, names)), leftOut };
}

/** Which Service has which cluster IP. */
export function servicesByAddress(services: Iterable<Service>): ReadonlyMap<IpAddress, Service> {
  const found = new Map<IpAddress, Service>();
  for (const service of services) for (const address of clusterIpsOf(service)) found.set(address, service);
  return found;
}

function inTurns(sightings: readonly Sighting[]): readonly Sighting[] {
  const byDevice = Map.groupBy(sightings, ({ source }) => source);
  const ranked = [...byDevice.values()].flatMap((own) =>
    own.toSorted((one, other) => other.packets - one.packets).map((sighting, rank) => ({ sighting, rank })),
  );
  return ranked.toSorted((one, other) => one.rank - other.rank).map(({ sighting }) => sighting);
}

function lineOf(sighting: Sighting, { table, services }: AuditNames): AuditLine {
  const { verdict, source, protocol, destination, port, packets, bytes } = sighting;
  const member = table.memberAt(source);
  const { namespace = '', name } = services.get(destination)?.metadata ?? {};
  return {
    event: 'connection',
    verdict,
    ...(member === undefined ? {} : { peer: auditedPeer(member.peer) }),
    from: source,
    to: {
      address: destination,
      ...(port === undefined ? {} : { port }),
      ...(name === undefined ? {} : { service: { namespace, name } }),
    },
    protocol,
    count: packets,
    bytes,
  };
}
