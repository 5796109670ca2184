import type { Service } from '../../api/core.ts';
import type { MeshPeer } from '../../api/meshpeer.ts';
import type { IpAddress } from '../../net/address.ts';
import { clusterIpsOf } from '../access/resolve.ts';
import type { PeerTable } from '../peer-table.ts';
import { type AuditLine, auditedPeer } from './line.ts';
import type { Sighting } from './sightings.ts';

/** What the names in lines are taken from. */
export interface AuditNames {
  readonly table: Pick<PeerTable, 'memberAt'>;
  /** Who has been put out since, by the addresses that nobody else has now. */
  readonly departed: ReadonlyMap<IpAddress, { readonly peer: MeshPeer }>;
  readonly services: ReadonlyMap<IpAddress, Service>;
  /** The node's own, which is nobody's device. */
  readonly probes: readonly IpAddress[];
}

/** What a look at the sets has to tell. */
export interface ConnectionLines {
  readonly lines: readonly AuditLine[];
  /** A line for each device of which something has no line of its own; of how many packets or connections. */
  readonly leftOut: readonly LeftOut[];
  /** Of other devices, what none of these lines stands for. */
  readonly others: Amount;
}

type LeftOut = Extract<AuditLine, { readonly event: 'left-out' }>;

/** So many packets or connections, and their bytes. */
type Amount = Pick<Sighting, 'packets' | 'bytes'>;

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
  const devices = [...rest.values()].map(together).sort(byAmount);
  return {
    lines: told.slice(0, most).map((sighting) => lineOf(sighting, names)),
    leftOut: devices.slice(0, most).map((device) => leftOutOf(device, names)),
    others: sum(devices.slice(most)),
  };
}

/** The line for what nobody knows a device of, where there is any. */
export function restLines(rest: Amount & Pick<Sighting, 'verdict'>): readonly LeftOut[] {
  return rest.packets === 0 && rest.bytes === 0 ? [] : [{ event: 'left-out', ...amountOf(rest) }];
}

function together(own: readonly Sighting[]): Pick<Sighting, 'verdict' | 'source'> & Amount {
  const [{ verdict, source }] = own as readonly [Sighting];
  return { verdict, source, ...sum(own) };
}

function sum(amounts: readonly Amount[]): Amount {
  return {
    packets: amounts.reduce((all, { packets }) => all + packets, 0),
    bytes: amounts.reduce((all, { bytes }) => all + bytes, 0),
  };
}

function leftOutOf(device: ReturnType<typeof together>, names: AuditNames): LeftOut {
  return { event: 'left-out', ...peerAt(device.source, names), from: device.source, ...amountOf(device) };
}

/** Of packets that were refused, nobody knows the bytes of those that no set had room for. */
function amountOf({ verdict, packets, bytes }: Amount & Pick<Sighting, 'verdict'>) {
  return { verdict, count: packets, ...(verdict === 'accepted' ? { bytes } : {}) };
}

function peerAt(source: IpAddress, { table, departed }: AuditNames): Pick<LeftOut, 'peer'> {
  const { peer } = table.memberAt(source) ?? departed.get(source) ?? {};
  return peer === undefined ? {} : { peer: auditedPeer(peer) };
}

/** Which Service has which cluster IP. */
export function servicesByAddress(services: Iterable<Service>): ReadonlyMap<IpAddress, Service> {
  const found = new Map<IpAddress, Service>();
  for (const service of services) for (const address of clusterIpsOf(service)) found.set(address, service);
  return found;
}

function byAmount(one: Amount, other: Amount): number {
  return other.packets - one.packets || other.bytes - one.bytes;
}

function inTurns(sightings: readonly Sighting[]): readonly Sighting[] {
  const byDevice = Map.groupBy(sightings, ({ source }) => source);
  const ranked = [...byDevice.values()].flatMap((own) =>
    own.toSorted(byAmount).map((sighting, rank) => ({ sighting, rank })),
  );
  return ranked.toSorted((one, other) => one.rank - other.rank).map(({ sighting }) => sighting);
}

function lineOf(sighting: Sighting, names: AuditNames): AuditLine {
  const { verdict, source, protocol, destination, port, packets, bytes, bytesToDevice } = sighting;
  const { namespace = '', name } = names.services.get(destination)?.metadata ?? {};
  return {
    event: 'connection',
    verdict,
    ...peerAt(source, names),
    from: source,
    to: {
      address: destination,
      ...(port === undefined ? {} : { port }),
      ...(name === undefined ? {} : { service: { namespace, name } }),
    },
    protocol,
    count: packets,
    bytes,
    ...(bytesToDevice === undefined ? {} : { bytesToDevice }),
  };
}
