import type { MeshGatewayNode, ReportedConnection } from '../api/meshgatewaynode.ts';
import type { Connection } from '../api/meshpeer.ts';
import type { ObjectKey } from '../api/resource.ts';

/**
 * Who is connected where, from all agents' reports: turned round, so that one peer's connections are found without reading
 * every report, and so that a report that changed in one place touches one peer.
 */
export class Connections {
  readonly #reports = new Map<ObjectKey, ReadonlyMap<string, Connection>>();
  readonly #byPeer = new Map<ObjectKey, Map<ObjectKey, Connection>>();

  /** Takes a report's present state, or its absence, into account; returns the peers whose connections changed. */
  set(key: ObjectKey, report: MeshGatewayNode | undefined): ReadonlySet<ObjectKey> {
    const before = this.#reports.get(key) ?? new Map<string, Connection>();
    const after = new Map((report?.status?.connections ?? []).map((entry) => [entry.peer, connection(report, entry)]));
    if (report === undefined) this.#reports.delete(key);
    else this.#reports.set(key, after);
    const changed = new Set<ObjectKey>();
    for (const peer of new Set([...before.keys(), ...after.keys()])) {
      if (isSame(before.get(peer), after.get(peer))) continue;
      changed.add(peer as ObjectKey);
      this.#place(peer as ObjectKey, key, after.get(peer));
    }
    return changed;
  }

  /** A peer's live sessions, by gateway and node. */
  of(peer: ObjectKey): readonly Connection[] {
    const connections = [...(this.#byPeer.get(peer)?.values() ?? [])];
    return connections.sort((one, other) => (`${one.gateway} ${one.node}` < `${other.gateway} ${other.node}` ? -1 : 1));
  }

  /** How many peers have a live session. */
  get size(): number {
    return this.#byPeer.size;
  }

  /** Peers with a live session at a gateway. */
  *connectedTo(gateway: string): Iterable<ObjectKey> {
    for (const [peer, entries] of this.#byPeer) {
      for (const connection of entries.values()) {
        if (connection.gateway !== gateway) continue;
        yield peer;
        break;
      }
    }
  }

  #place(peer: ObjectKey, report: ObjectKey, entry: Connection | undefined): void {
    const entries = this.#byPeer.get(peer) ?? new Map<ObjectKey, Connection>();
    if (entry === undefined) entries.delete(report);
    else entries.set(report, entry);
    if (entries.size === 0) this.#byPeer.delete(peer);
    else this.#byPeer.set(peer, entries);
  }
}

function connection(
  report: MeshGatewayNode | undefined,
  { endpoint, lastHandshake, since, publicKey, byOtherKey }: ReportedConnection,
): Connection {
  const place = { gateway: report?.spec.gateway ?? '', node: report?.spec.node ?? '' };
  const gatewayKey = byOtherKey === true ? report?.status?.otherPublicKey : report?.status?.publicKey;
  return {
    ...place,
    endpoint,
    lastHandshake,
    since,
    ...(publicKey === undefined ? {} : { publicKey }),
    ...(gatewayKey === undefined ? {} : { gatewayKey }),
  };
}

function isSame(one: Connection | undefined, other: Connection | undefined): boolean {
  return (
    one?.endpoint === other?.endpoint &&
    one?.lastHandshake === other?.lastHandshake &&
    one?.since === other?.since &&
    one?.publicKey === other?.publicKey &&
    one?.gatewayKey === other?.gatewayKey
  );
}
