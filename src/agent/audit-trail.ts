import type { MeshPeer } from '../api/meshpeer.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Host } from '../host/host.ts';
import type { Change, Store } from '../k8s/store.ts';
import { type AuditNames, connectionLines, mostLines, servicesByAddress } from '../mesh/audit/connections.ts';
import { Unaccounted } from '../mesh/audit/left-out.ts';
import { type AuditedSession, type AuditedSessions, membershipLines, sessionLines } from '../mesh/audit/lifecycle.ts';
import { type AuditLine, auditedPeer, auditSentence } from '../mesh/audit/line.ts';
import { AUDIT_CHAINS, auditedVerdicts, auditSetNames, sightingIn, type Verdict } from '../mesh/audit/sets.ts';
import { expiryOf, memberOf } from '../mesh/members.ts';
import { liveSessions } from '../mesh/sessions.ts';
import type { Topology } from '../mesh/topology.ts';
import { probeAddress } from '../net/allocate.ts';
import type { PublicKey } from '../net/key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { GrantedAccess } from './granted-access.ts';
import type { NodeSync } from './node-sync.ts';

export interface AuditTrailOptions {
  readonly gateway: string;
  readonly peers: Pick<Store<MeshPeer>, 'get'>;
  readonly sync: Pick<NodeSync, 'topology' | 'table' | 'observedPeers' | 'names'>;
  readonly access: Pick<GrantedAccess, 'services'>;
  readonly host: Pick<Host, 'countedPackets' | 'takeCounted'>;
  readonly clock: Clock;
  /** Where the lines go; it marks each as one of the audit log. */
  readonly audit: Log;
  /** Is told how many lines about connections were written, and for how many there was no room. */
  readonly onAudited?: (verdict: Verdict, lines: number, leftOut: number) => void;
}

/** What rules have noted is read this often at most, and takes at most one part in `SHARE` of the time. */
const EVERY_MS = 2_500;
const SHARE = 10;
/** A packet in the tunnel takes at least so much of WireGuard; a keepalive takes half of it. */
const PACKET_BYTES = 64;

/**
 * Writes the audit log of a node: who is let in and put out, who connects and from where, and what was dialled. On a node to which no device
 * sends anything it runs no command.
 */
export class AuditTrail {
  readonly #options: AuditTrailOptions;
  readonly #members = new Map<ObjectKey, MeshPeer>();
  readonly #unaccounted = { denied: new Unaccounted(), accepted: new Unaccounted() };
  readonly #pending: AuditLine[] = [];
  #sessions: AuditedSessions = new Map();
  #received = new Map<PublicKey, number>();
  #hasSent = true;
  #nextLook = 0;
  #lastLook = Number.NEGATIVE_INFINITY;
  #isLooking = false;

  constructor(options: AuditTrailOptions) {
    this.#options = options;
  }

  /** Takes a peer's change in; it is told once the node has taken it in too. What is found at the start is no news. */
  takePeer({ key, after }: Pick<Change<MeshPeer>, 'key' | 'after'>, news: 'news' | 'found'): void {
    const { gateway, clock } = this.#options;
    const before = this.#members.get(key);
    const lines = membershipLines(gateway, { before, after }, clock.now());
    if (news === 'news') this.#pending.push(...lines);
    if (after !== undefined && memberOf(gateway, after, clock.now()) !== undefined) this.#members.set(key, after);
    else this.#members.delete(key);
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
    const { clock, access } = this.#options;
    if (this.#haveSent()) this.#hasSent = true;
    const services = access.services(topology);
    if (!this.#hasSent || this.#isLooking || clock.monotonic() < this.#nextLook) return;
    this.#hasSent = false;
    this.#isLooking = true;
    const began = clock.monotonic();
    const most = mostLines(began - this.#lastLook);
    this.#lastLook = began;
    const names = () => ({
      table: this.#options.sync.table,
      services: servicesByAddress(services),
      probes: topology.pool.map(probeAddress),
    });
    try {
      for (const verdict of auditedVerdicts(topology.gateway.spec.audit.connections))
        await this.#look(verdict, names, most);
    } finally {
      const now = clock.monotonic();
      this.#nextLook = now + Math.max(EVERY_MS, SHARE * (now - began));
      this.#isLooking = false;
    }
  }

  async #look(verdict: Verdict, names: () => AuditNames, most: number): Promise<void> {
    const { host, sync } = this.#options;
    const { table } = sync.names;
    const unaccounted = this.#unaccounted[verdict];
    const counter = await host.countedPackets(table, AUDIT_CHAINS[verdict]);
    if (counter === undefined || !unaccounted.isNew(counter)) return;
    const counted = await host.takeCounted(table, auditSetNames(verdict));
    const noted = counted.reduce((sum, { packets }) => sum + packets, 0);
    const { lines, leftOut, others } = connectionLines(
      counted.flatMap((one) => sightingIn(one) ?? []),
      names(),
      most,
    );
    const count = others + unaccounted.take(counter, noted);
    this.#write([...lines, ...leftOut]);
    if (count > 0) this.#write([{ event: 'left-out', verdict, count }]);
    this.#options.onAudited?.(
      verdict,
      lines.length,
      leftOut.reduce((sum, one) => sum + one.count, count),
    );
  }

  /** Whether a device has sent a packet since the last look at the interface. Packets of the node's own probe are no device's. */
  #haveSent(): boolean {
    const { observedPeers, table } = this.#options.sync;
    let some = false;
    const received = new Map<PublicKey, number>();
    for (const [publicKey, { receivedBytes }] of observedPeers) {
      if (receivedBytes === 0 || table.memberWith(publicKey) === undefined) continue;
      received.set(publicKey, receivedBytes);
      if (Math.abs(receivedBytes - (this.#received.get(publicKey) ?? 0)) >= PACKET_BYTES) some = true;
    }
    this.#received = received;
    return some;
  }

  #write(lines: readonly AuditLine[]): void {
    for (const line of lines) this.#options.audit.info(line, auditSentence(line));
  }
}
