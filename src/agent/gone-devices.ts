import type { ReportedConnection } from '../api/meshgatewaynode.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Connections } from '../mesh/connections.ts';
import { hasGoneTo } from '../mesh/takeover/calls.ts';
import { SharedDevices } from '../mesh/takeover/shared-devices.ts';
import type { PublicKey } from '../net/key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Timers } from '../runtime/timers.ts';
import type { NodeSync } from './node-sync.ts';

export interface GoneDevicesOptions {
  readonly sync: Pick<NodeSync, 'table' | 'observedPeers' | 'forgetSessions' | 'forgetCalls'>;
  readonly connections: Connections;
  /** The sessions that this node's report tells. */
  readonly own: () => readonly ReportedConnection[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  /** It is to be looked what the node's peers send. */
  readonly onDue: (look: 'peers') => void;
}

/** Of so many who have gone at once, their flows are forgotten too: each costs two walks through connection tracking. */
const MOST_FLOWS = 4;

/** Lets the sessions of devices go that have come to another node, lest what this one still sends draw them back. */
export class GoneDevices {
  readonly #options: GoneDevicesOptions;
  readonly #shared = new SharedDevices();
  #cancel: () => void = () => undefined;

  constructor(options: GoneDevicesOptions) {
    this.#options = options;
  }

  /**
   * These have come to another node, by its report, and may have left this one. Those whom this node lets go are not waited for: one
   * late segment would draw them back, to a node that wants them gone.
   */
  arrived(node: string, peers: Iterable<ObjectKey>): void {
    const { connections, own, onDue } = this.#options;
    const came = [...peers].flatMap((peer) => {
      const there = connections.of(peer).find((session) => session.node === node);
      const here = this.#sessionsOf(peer);
      return there === undefined || here.length === 0 ? [] : [{ peer, there, here }];
    });
    if (came.length === 0) return;
    const released = new Map(own().flatMap((session) => (session.released === true ? [[session.peer, session]] : [])));
    for (const { peer, there, here } of came) {
      const session = released.get(peer);
      if (session !== undefined && hasGoneTo(there, session)) this.#shared.left(here);
      else this.#shared.arrived(here);
    }
    onDue('peers');
  }

  /** Lets go of who has gone; after a look at the node's peers. */
  async looked(): Promise<void> {
    const { sync, clock, log } = this.#options;
    const gone = this.#shared.gone(sync.observedPeers, clock.monotonic());
    this.#arm();
    if (gone.length === 0) return;
    const endpoints = gone.flatMap((key) => sync.observedPeers.get(key)?.endpoint ?? []);
    try {
      await sync.forgetSessions(gone);
    } catch (error) {
      this.#shared.left(gone);
      throw error;
    }
    // What conntrack knows is no new flow, and would not be noticed should a load balancer bring it back.
    await sync.forgetCalls(endpoints.slice(0, MOST_FLOWS));
    log.info({ devices: gone.length }, 'devices that have gone to another node are let go');
  }

  #sessionsOf(peer: ObjectKey): readonly PublicKey[] {
    const { table, observedPeers } = this.#options.sync;
    return table.keysOf(peer).filter((key) => (observedPeers.get(key)?.latestHandshake ?? 0) > 0);
  }

  #arm(): void {
    const { clock, timers, onDue } = this.#options;
    this.#cancel();
    const { next } = this.#shared;
    if (next !== undefined) this.#cancel = timers.later(Math.max(0, next - clock.monotonic()), () => onDue('peers'));
  }
}
