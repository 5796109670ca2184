import type { Liveness, MeshGatewayNode } from '../api/meshgatewaynode.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { EventRecorder } from '../k8s/events.ts';
import type { Change, Store } from '../k8s/store.ts';
import { Connections } from '../mesh/connections.ts';
import { type CallInput, type DueCall, dueCalls } from '../mesh/takeover/calls.ts';
import { type Candidate, candidateOf, isServing, type Trust, takersFrom } from '../mesh/takeover/candidates.ts';
import { Recovery } from '../mesh/takeover/recovery.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { Timers } from '../runtime/timers.ts';
import type { Ask } from './asking.ts';
import { CalledDevices } from './called-devices.ts';
import { Deaths } from './deaths.ts';
import { callsTo } from './due-devices.ts';
import { GoneDevices } from './gone-devices.ts';
import type { LostSessions } from './lost-sessions.ts';
import type { CallCause } from './metrics.ts';
import type { NodeSync } from './node-sync.ts';
import { OwnDevices } from './own-devices.ts';

export interface TakeoverOptions {
  readonly gateway: string;
  readonly node: string;
  /** The reports of all nodes of the gateway, this one's among them. */
  readonly reports: Store<MeshGatewayNode>;
  /** With which key this node asks, and at which of its addresses it is asked. */
  readonly identity: Pick<Liveness, 'publicKey' | 'addresses'>;
  readonly ask: Ask;
  readonly sync: Pick<
    NodeSync,
    | 'gateway'
    | 'names'
    | 'table'
    | 'topology'
    | 'observedPeers'
    | 'takeAskers'
    | 'callPeers'
    | 'seePeers'
    | 'forgetSessions'
    | 'forgetCalls'
  >;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EventRecorder;
  /** Devices have been called. */
  readonly onCalled?: ((cause: CallCause, devices: number, seconds: number) => void) | undefined;
  /** Whether this node reaches Services; undefined while nobody knows. */
  readonly reachesServices: () => boolean | undefined;
  /** Another node has said that it reaches no Services. */
  readonly onUnwell: () => void;
  /** What this node's report says of the others has changed, and is to be told at once. */
  readonly onNews: () => void;
  /** There is something to be done on the node: `calls` at once, `touched` and `peers` as after any other change. */
  readonly onDue: (look: 'calls' | 'touched' | 'peers') => void;
}

/** How soon it is looked whether those who were called have come. */
const LOOK_MS = 500;

/**
 * Takes over the devices of nodes that died: this node calls its share of them, and they come. See docs/design/0024.
 */
export class Takeover {
  readonly #options: TakeoverOptions;
  readonly #connections = new Connections();
  readonly #timers: Timers;
  readonly #deaths: Deaths;
  /** Devices that other nodes have lost or let go, and this one has called. */
  readonly #away: CalledDevices;
  readonly #own: OwnDevices;
  readonly #gone: GoneDevices;
  /** Whom this node has called of those that other nodes have lost or let go, and whether those nodes were dead then. */
  readonly #called = new Map<string, { readonly peers: Set<ObjectKey>; readonly isDead: boolean }>();
  readonly #recovery = new Recovery();
  #hasReported = false;
  #isDue = false;

  constructor(options: TakeoverOptions) {
    const { node, sync, clock, log, onDue } = options;
    const timers = new Timers(clock);
    this.#options = options;
    this.#timers = timers;
    this.#deaths = new Deaths({ ...options, timers, onChange: () => this.#follow() });
    this.#away = new CalledDevices({
      ...{ node, sync, clock, timers },
      connections: this.#connections,
      deaths: this.#deaths,
      onDue: () => onDue('calls'),
    });
    this.#own = new OwnDevices({
      ...{ sync, clock, timers, onDue },
      dueCalls: (connections) => this.#dueCalls({ node, connections }, [node]),
      call: (due) => this.#call('anew', due, node),
    });
    this.#gone = new GoneDevices({
      ...{ sync, clock, timers, log, onDue },
      connections: this.#connections,
      own: () => this.#ownReport?.status?.connections ?? [],
    });
  }

  /** What this node's next report says of how it and the others live, after this one. */
  liveness(before: Liveness | undefined): Liveness {
    const { clock, identity, reachesServices } = this.#options;
    const now = clock.monotonic();
    if (!this.#hasReported) this.#recovery.resume(before?.recovering === true);
    this.#hasReported = true;
    this.#recovery.take(reachesServices(), now);
    const said = { ...identity, ...this.#deaths.report() };
    return this.#recovery.isRecovering(now) ? { ...said, recovering: true } : said;
  }

  /** Whether another node has a session of the device too, so that reports must tell whose is the later one. */
  isShared(peer: ObjectKey): boolean {
    return this.#connections.of(peer).some(({ node }) => node !== this.#options.node);
  }

  /** How the best of the other nodes that may take this one's devices over is relied on. */
  get taker(): Trust {
    const others = this.#nodes().filter(({ node }) => node !== this.#options.node);
    const takers = takersFrom('living', others);
    return others.find(({ node }) => takers.includes(node))?.trust ?? 'none';
  }

  /** Works until the signal is aborted. */
  start(signal: AbortSignal): void {
    const { reports } = this.#options;
    for (const [key, after] of reports.entries()) this.#take({ key, after }, signal);
    const unsubscribe = reports.subscribe((change) => this.#take(change, signal));
    const stop = () => {
      unsubscribe();
      this.#timers.end();
      this.#deaths.stop();
    };
    signal.addEventListener('abort', stop, { once: true });
  }

  /** Calls who is to be called; in a turn, before anything else. */
  async act(): Promise<void> {
    if (this.#isDue) {
      try {
        await this.#callLost();
      } catch (error) {
        this.#isDue = true;
        throw error;
      }
    }
    await this.#away.act();
    await this.#own.act();
  }

  /** Calls this node's own devices after it has lost their sessions. */
  callBack(lost: LostSessions): Promise<void> {
    return this.#own.callBack(lost);
  }

  /** These come by a load balancer: another call at their own address would stand in the way of their packets. */
  leaveToBalancer(peers: Iterable<ObjectKey>): void {
    this.#away.drop(peers);
  }

  /** Lets go of who has gone; in a turn in which the node's peers were looked at, after that. */
  looked(): Promise<void> {
    return this.#gone.looked();
  }

  #take({ key, before, after }: Change<MeshGatewayNode>, signal: AbortSignal): void {
    const { node: self, gateway } = this.#options;
    const node = (after ?? before)?.spec.node;
    if (node === undefined || (after ?? before)?.spec.gateway !== gateway) return;
    if (node === self) this.#own.take(after);
    else if (isServing(after) === false && isServing(before) !== false) this.#options.onUnwell();
    const changed = this.#connections.set(key, after);
    if (node !== self && before !== undefined) this.#gone.arrived(node, changed);
    if (node !== self) this.#takeDepartures(node, changed);
    this.#deaths.take(node, before?.status?.liveness, after?.status?.liveness, signal);
    this.#follow();
  }

  /** Who was called away from another node, and has no session there any more by its report. */
  #takeDepartures(node: string, peers: Iterable<ObjectKey>): void {
    const gone = [...peers].filter((peer) => !this.#connections.of(peer).some((one) => one.node === node));
    this.#away.letGo(node, gone);
  }

  /** Looks who has died and who is back. */
  #follow(): void {
    for (const node of this.#deaths.judge()) this.#away.returned(node);
    if (this.#dueSessions().length === 0) return;
    this.#isDue = true;
    this.#options.onDue('calls');
  }

  /**
   * The sessions of other nodes that are to go elsewhere: all of a dead one, and those that a living one lets go; none of a node from which somebody was
   * called and that has nobody left, so that it is known no more who was.
   */
  #dueSessions(): readonly CallInput['lost'][] {
    const { node: self, reports, sync } = this.#options;
    if (sync.gateway?.spec.takeover.enabled !== true) return [];
    return [...reports.values()].flatMap(({ spec: { node }, status }) => {
      const all = node === self ? [] : (status?.connections ?? []);
      const connections = this.#deaths.has(node) ? all : all.filter(({ released }) => released === true);
      return connections.length === 0 && !this.#called.has(node) ? [] : [{ node, connections }];
    });
  }

  async #callLost(): Promise<void> {
    // Another node may be lost while these are called.
    this.#isDue = false;
    for (const lost of this.#dueSessions()) {
      const isDead = this.#deaths.has(lost.node);
      // One whose agent alone ends is a node like any other, but for its own devices.
      const others = this.#nodes().filter(({ node }) => node !== lost.node);
      const due = this.#dueCalls(lost, takersFrom(isDead ? 'dead' : 'living', others));
      const known = this.#called.get(lost.node);
      const before = due.filter(({ peer }) => known?.peers.has(peer));
      const called = new Set(before.map(({ peer }) => peer));
      if (due.length === 0) this.#called.delete(lost.node);
      else this.#called.set(lost.node, { peers: called, isDead });
      if (isDead && known?.isDead === false) this.#away.died(before, lost.node);
      const news = due.filter(({ peer }) => !called.has(peer));
      if (news.length === 0) continue;
      await this.#call(isDead ? 'dead' : 'released', news, lost.node);
      for (const { peer } of news) called.add(peer);
      this.#away.called(news, lost.node);
      this.#tell(lost.node, news.length);
    }
  }

  async #call(cause: CallCause, due: readonly DueCall[], from: string): Promise<void> {
    const { clock, log, onCalled, sync } = this.#options;
    const began = clock.monotonic();
    await sync.callPeers(due.flatMap((call) => callsTo(call, sync, call.endpoint)));
    const ms = clock.monotonic() - began;
    onCalled?.(cause, due.length, ms / 1_000);
    log.info({ cause, from, devices: due.length, ms: Math.round(ms) }, 'devices called');
  }

  #dueCalls(lost: CallInput['lost'], candidates: readonly string[]): readonly DueCall[] {
    const { node, sync } = this.#options;
    const calls = dueCalls({
      ...{ node, lost, candidates },
      sessionsOf: (peer) => this.#connections.of(peer),
      isLost: (other) => this.#deaths.isDead(other),
    });
    return calls.filter(({ peer }) => sync.table.keysOf(peer).length > 0);
  }

  #tell(lost: string, devices: number): void {
    const { events, node, sync, onDue } = this.#options;
    this.#timers.later(LOOK_MS / 5, () => onDue('peers'));
    this.#timers.later(LOOK_MS, () => onDue('peers'));
    if (sync.gateway === undefined) return;
    const why = this.#deaths.has(lost) ? 'is dead or cut off' : 'lets its devices go';
    events.record({
      regarding: sync.gateway,
      type: 'Warning',
      reason: 'DevicesTakenOver',
      action: 'TakeOver',
      note: `Node ${node} called ${devices} ${devices === 1 ? 'device' : 'devices'} of node ${lost}, which ${why}; whoever heard it connects by ${node} from now on.`,
    });
  }

  get #ownReport(): MeshGatewayNode | undefined {
    const { node, gateway, reports } = this.#options;
    return [...reports.values()].find(({ spec }) => spec.node === node && spec.gateway === gateway);
  }

  /** The gateway's nodes, this one among them, as this one sees them. */
  #nodes(): readonly Candidate[] {
    const { reports, sync } = this.#options;
    const leaving = new Set(sync.gateway?.status?.leavingNodes?.map(({ node }) => node));
    return [...reports.values()].map((report) => {
      const { node } = report.spec;
      return candidateOf(report, { trust: this.#deaths.trustIn(node), isLeaving: leaving.has(node) });
    });
  }
}
