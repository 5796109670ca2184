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

/** What a look at the sets has to tell. */
export interface ConnectionLines {
  readonly lines: readonly AuditLine[];
  /** A line for each device of which something has no line of its own; of how many packets or connections. */
  readonly leftOut: readonly LeftOut[];
  /** How many packets or connections of other devices none of these lines stands for. */
  readonly others: number;
}

type LeftOut = Extract<AuditLine, { readonly event: 'left-out' }>;

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
 * does not push out the lines of others; of each, what happened most often comes first. The rest is counted by device, `most` of them again.
 */
export function connectionLines(sightings: readonly Sighting[], names: AuditNames, most: number): ConnectionLines {
  const told = inTurns(sightings.filter(({ source }) => !names.probes.includes(source)));
  const rest = Map.groupBy(told.slice(most), ({ source }) => source);
  const devices = [...rest.values()].map(together).sort((one, other) => other.packets - one.packets);
  return {
    lines: told.slice(0, most).map((sighting) => lineOf(sighting, names)),
    leftOut: devices.slice(0, most).map((device) => leftOutOf(device, names)),
    others: sum(devices.slice(most)),
  };
}

function together(own: readonly Sighting[]): Pick<Sighting, 'verdict' | 'source' | 'packets'> {
  const [{ verdict, source }] = own as readonly [Sighting];
  return { verdict, source, packets: sum(own) };
}

function sum(sightings: readonly Pick<Sighting, 'packets'>[]): number {
  return sightings.reduce((all, { packets }) => all + packets, 0);
}

function leftOutOf({ verdict, source, packets }: ReturnType<typeof together>, { table }: AuditNames): LeftOut {
  return { event: 'left-out', verdict, ...peerAt(source, table), from: source, count: packets };
}

function peerAt(source: IpAddress, table: AuditNames['table']): Pick<LeftOut, 'peer'> {
  const member = table.memberAt(source);
  return member === undefined ? {} : { peer: auditedPeer(member.peer) };
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
  const { namespace = '', name } = services.get(destination)?.metadata ?? {};
  return {
    event: 'connection',
    verdict,
    ...peerAt(source, table),
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
