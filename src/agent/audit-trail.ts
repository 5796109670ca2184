import type { MeshPeer } from '../api/meshpeer.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { ObservedPeer } from '../dataplane/wireguard/device.ts';
import type { Change, Store } from '../k8s/store.ts';
import { type AuditNames, servicesByAddress } from '../mesh/audit/connections.ts';
import { type AuditedSession, type AuditedSessions, membershipLines, sessionLines } from '../mesh/audit/lifecycle.ts';
import { type AuditLine, auditedPeer, auditSentence } from '../mesh/audit/line.ts';
import { auditedVerdicts } from '../mesh/audit/sets.ts';
import { expiryOf, memberOf } from '../mesh/members.ts';
import { liveSessions } from '../mesh/sessions.ts';
import type { Topology } from '../mesh/topology.ts';
import { addressesIn, type IpAddress } from '../net/address.ts';
import { probeAddress } from '../net/allocate.ts';
import type { PublicKey } from '../net/key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { GrantedAccess } from './granted-access.ts';
import type { NodeSync } from './node-sync.ts';
import { NotedConnections, type NotedConnectionsOptions } from './noted-connections.ts';

export interface AuditTrailOptions {
  readonly gateway: string;
  readonly peers: Pick<Store<MeshPeer>, 'get'>;
  readonly sync: Pick<NodeSync, 'topology' | 'table' | 'observedPeers' | 'names'>;
  readonly access: Pick<GrantedAccess, 'services'>;
  readonly host: NotedConnectionsOptions['host'];
  readonly clock: Clock;
  /** Where the lines go; it marks each as one of the audit log. */
  readonly audit: Log;
  readonly onAudited?: NotedConnectionsOptions['onAudited'];
}

/** Whose device had an address is known for so long after it has been put out: what it did before is told a little later. */
const DEPARTED_MS = 60_000;
/** A packet in the tunnel takes at least so much of WireGuard; a keepalive takes half of it. */
const PACKET_BYTES = 64;

interface Departed {
  readonly peer: MeshPeer;
  /** By the clock that only goes on. */
  readonly since: number;
}

type Traffic = Pick<ObservedPeer, 'receivedBytes' | 'sentBytes'>;

/**
 * Writes the audit log of a node: who is let in and put out, who connects and from where, and what was dialled. On a node to which no device
 * sends anything it runs no command.
 */
export class AuditTrail {
  readonly #options: AuditTrailOptions;
  readonly #members = new Map<ObjectKey, MeshPeer>();
  readonly #connections: NotedConnections;
  readonly #departed = new Map<IpAddress, Departed>();
  readonly #pending: AuditLine[] = [];
  #sessions: AuditedSessions = new Map();
  #traffic = new Map<PublicKey, Traffic>();

  constructor(options: AuditTrailOptions) {
    this.#options = options;
    this.#connections = new NotedConnections({
      ...options,
      table: () => options.sync.names.table,
      write: (lines) => this.#write(lines),
    });
  }

  /** Takes a peer's change in; it is told once the node has taken it in too. What is found at the start is no news. */
  takePeer({ key, after }: Pick<Change<MeshPeer>, 'key' | 'after'>, news: 'news' | 'found'): void {
    const { gateway, clock } = this.#options;
    const before = this.#members.get(key);
    const lines = membershipLines(gateway, { before, after }, clock.now());
    if (news === 'news') this.#pending.push(...lines);
    if (after !== undefined && memberOf(gateway, after, clock.now()) !== undefined) this.#members.set(key, after);
    else {
      this.#members.delete(key);
      if (before !== undefined) this.#takeDeparture(before);
    }
  }

  /**
   * To be called after a turn that brought the node where it should be; `seen` when the interface's peers were looked at. What it resolves
   * after runs beside the next turns, because nobody's revocation waits for what a scan has left behind.
   */
  async follow(seen: boolean): Promise<void> {
    const topology = this.#options.sync.topology();
    this.#takeExpiry();
    this.#write(this.#pending.splice(0));
    if (topology === undefined || !seen) return;
    this.#followSessions(topology);
    await this.#followConnections(topology);
  }

  #takeExpiry(): void {
    const now = this.#options.clock.now();
    for (const [key, after] of this.#members) if (expiryOf(after) <= now) this.takePeer({ key, after }, 'news');
  }

  #followSessions({ gateway }: Topology): void {
    const { sync, peers, clock } = this.#options;
    const live = liveSessions(sync.observedPeers.values(), sync.table, [], clock.now());
    const after = new Map<string, AuditedSession>();
    for (const { peer: key, endpoint, lastHandshake } of live) {
      const peer = peers.get(key as ObjectKey);
      if (peer !== undefined) after.set(key, { peer: auditedPeer(peer), endpoint, lastHandshake });
    }
    this.#write(sessionLines(this.#sessions, after, gateway.spec.audit.endpoints));
    this.#sessions = after;
  }

  async #followConnections(topology: Topology): Promise<void> {
    const { access, sync } = this.#options;
    const services = access.services(topology);
    this.#forgetDeparted();
    const names = (): AuditNames => ({
      table: sync.table,
      departed: this.#departed,
      services: servicesByAddress(services),
      probes: topology.pool.map(probeAddress),
    });
    const verdicts = auditedVerdicts(topology.gateway.spec.audit.connections);
    await this.#connections.follow(verdicts, this.#haveMoved(), names);
  }

  /** Another device may get its addresses: what it carried is told before that one carries much. */
  #takeDeparture(peer: MeshPeer): void {
    const since = this.#options.clock.monotonic();
    for (const address of addressesIn(peer.status?.addresses ?? [])) this.#departed.set(address, { peer, since });
    this.#connections.hurry();
  }

  #forgetDeparted(): void {
    const before = this.#options.clock.monotonic() - DEPARTED_MS;
    for (const [address, { since }] of this.#departed) if (since < before) this.#departed.delete(address);
  }

  /** Whether a device has sent or been sent a packet since the last look at the interface. Packets of the node's own probe are no device's. */
  #haveMoved(): boolean {
    const { observedPeers, table } = this.#options.sync;
    let some = false;
    const traffic = new Map<PublicKey, Traffic>();
    for (const [publicKey, { receivedBytes, sentBytes }] of observedPeers) {
      if (receivedBytes + sentBytes === 0 || table.memberWith(publicKey) === undefined) continue;
      const before = this.#traffic.get(publicKey) ?? { receivedBytes: 0, sentBytes: 0 };
      traffic.set(publicKey, { receivedBytes, sentBytes });
      const moved = [receivedBytes - before.receivedBytes, sentBytes - before.sentBytes];
      if (moved.some((bytes) => Math.abs(bytes) >= PACKET_BYTES)) some = true;
    }
    this.#traffic = traffic;
    return some;
  }

  #write(lines: readonly AuditLine[]): void {
    for (const line of lines) this.#options.audit.info(line, auditSentence(line));
  }
}
