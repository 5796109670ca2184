import type { MeshGatewayNode, ReportedConnection } from '../api/meshgatewaynode.ts';
import type { ObjectKey } from '../api/resource.ts';
import { isRecent } from '../mesh/sessions.ts';
import type { DueCall } from '../mesh/takeover/calls.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Timers } from '../runtime/timers.ts';
import { callsTo, notCome } from './due-devices.ts';
import { LateCalls } from './late-calls.ts';
import type { LostSessions } from './lost-sessions.ts';
import type { NodeSync } from './node-sync.ts';

export interface OwnDevicesOptions {
  readonly sync: Pick<NodeSync, 'gateway' | 'names' | 'table' | 'observedPeers' | 'callPeers' | 'seePeers'>;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Which of these sessions' devices are still this node's to call. */
  readonly dueCalls: (connections: readonly ReportedConnection[]) => readonly DueCall[];
  /** Calls them for the first time. */
  readonly call: (due: readonly DueCall[]) => Promise<void>;
  readonly onDue: (look: 'calls' | 'peers') => void;
}

/** A session as this node's report told it last. */
interface OwnSession {
  readonly connection: ReportedConnection;
  /** Of the MeshPeer that it is of; undefined where it was not known yet. */
  readonly uid: string | undefined;
}

/** After so long those who were called may have come, in milliseconds. */
const COME_MS = 100;

/**
 * This node's own devices, called back after their sessions were lost, as with a wireguard-go that was killed or a peer that somebody removed: by themselves they
 * would doubt theirs after 15 seconds. Who has come to another node is left there; who has left the mesh and comes again under its name has lost nothing.
 */
export class OwnDevices {
  readonly #options: OwnDevicesOptions;
  readonly #late: LateCalls<ReportedConnection>;
  /** Those too that the report tells no more: an interface that was made anew has no sessions. */
  #sessions: ReadonlyMap<string, OwnSession> = new Map();

  constructor(options: OwnDevicesOptions) {
    this.#options = options;
    this.#late = new LateCalls({ timers: options.timers, onDue: () => options.onDue('calls') });
  }

  /** Takes in what this node's report says now. */
  take(report: MeshGatewayNode | undefined): void {
    const now = this.#options.clock.now();
    const told = (report?.status?.connections ?? []).map((connection) => this.#sessionOf(connection));
    const recent = [...this.#sessions.values(), ...told].filter(({ connection }) =>
      isRecent(connection.lastHandshake, now),
    );
    this.#sessions = new Map(recent.map((session) => [session.connection.peer, session]));
  }

  /** Calls those whose sessions were lost. */
  async callBack(lost: LostSessions): Promise<void> {
    const { sync, timers, dueCalls, call, onDue } = this.#options;
    if (lost.isNone || sync.gateway?.spec.takeover.enabled !== true) return;
    const { names, table } = sync;
    const connections = [...this.#sessions.values()].flatMap(({ connection, uid }) => {
      const peer = connection.peer as ObjectKey;
      const device = connection.byOtherKey === true ? names.other : names.device;
      if (uid !== undefined && uid !== table.uidOf(peer)) return [];
      // The next key of a device that changes its key is added without anything being lost.
      const isLost = table.keysOf(peer).some((key) => table.isInUse(key) && lost.has(device, key));
      return isLost ? [connection] : [];
    });
    const due = dueCalls(connections);
    if (due.length === 0) return;
    await call(due);
    timers.later(COME_MS, () => onDue('peers'));
    this.#late.take(connections);
  }

  /** Calls those anew that have neither come nor gone to another node since they were called. */
  async act(): Promise<void> {
    const { sync, clock, dueCalls } = this.#options;
    await this.#late.act(async (late) => {
      await sync.seePeers();
      const lost = notCome(dueCalls(late), sync, clock.now());
      await sync.callPeers(lost.flatMap((call) => callsTo(call, sync, call.endpoint)));
    });
  }

  /** A report from before a device came again still tells the session of the one before. */
  #sessionOf(connection: ReportedConnection): OwnSession {
    const before = this.#sessions.get(connection.peer);
    const known = before?.connection.lastHandshake === connection.lastHandshake ? before.uid : undefined;
    return { connection, uid: known ?? this.#options.sync.table.uidOf(connection.peer as ObjectKey) };
  }
}
