import type { ReportedConnection } from '../api/meshgatewaynode.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Connections } from '../mesh/connections.ts';
import { hasGoneTo } from '../mesh/takeover/calls.ts';
import { SharedDevices } from '../mesh/takeover/shared-devices.ts';
import type { Endpoint } from '../net/endpoint.ts';
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
/**
 * The flows of who was let go are forgotten so much later, in milliseconds. Until then the node that has them may call them for the last time
 * (0024), since they may have been drawn back here: what they sent here, noticed, would have them called from here at the same moment.
 */
const FORGET_MS = 1_000;

/** A device that was let go, and where it was. */
interface Flow {
  readonly key: PublicKey;
  readonly endpoint: Endpoint;
}

/** Lets the sessions of devices go that have come to another node, lest what this one still sends draw them back. */
export class GoneDevices {
  readonly #options: GoneDevicesOptions;
  readonly #shared = new SharedDevices();
  /** Those that are to be forgotten now. */
  #flows: readonly Flow[] = [];
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
    await this.#forgetFlows();
    const gone = this.#shared.gone(sync.observedPeers, clock.monotonic());
    this.#arm();
    if (gone.length === 0) return;
    const flows = gone.slice(0, MOST_FLOWS).flatMap((key) => {
      const endpoint = sync.observedPeers.get(key)?.endpoint;
      return endpoint === undefined ? [] : [{ key, endpoint }];
    });
    try {
      await sync.forgetSessions(gone);
    } catch (error) {
      this.#shared.left(gone);
      throw error;
    }
    this.#forgetLater(flows);
    log.info({ devices: gone.length }, 'devices that have gone to another node are let go');
  }

  #forgetLater(flows: readonly Flow[]): void {
    const { timers, onDue } = this.#options;
    timers.later(FORGET_MS, () => {
      this.#flows = [...this.#flows, ...flows];
      onDue('peers');
    });
  }

  /** What conntrack knows is no new flow, and would not be noticed should a load balancer bring it back. Who has come back by itself goes on by it. */
  async #forgetFlows(): Promise<void> {
    const { sync } = this.#options;
    const flows = this.#flows;
    const away = flows.filter(({ key }) => (sync.observedPeers.get(key)?.latestHandshake ?? 0) === 0);
    await sync.forgetCalls(away.map(({ endpoint }) => endpoint));
    this.#flows = this.#flows.slice(flows.length);
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
