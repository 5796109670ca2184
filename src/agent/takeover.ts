import { isDeepStrictEqual } from 'node:util';
import { findCondition, isTrue } from '../api/conditions.ts';
import type { Liveness, MeshGatewayNode, ReportedConnection } from '../api/meshgatewaynode.ts';
import type { ObjectKey } from '../api/resource.ts';
import { milliseconds } from '../api/timestamp.ts';
import type { EventRecorder } from '../k8s/events.ts';
import type { Change, Store } from '../k8s/store.ts';
import { Connections } from '../mesh/connections.ts';
import { isLive, isRecent } from '../mesh/sessions.ts';
import { type CallInput, type DueCall, dueCalls } from '../mesh/takeover/calls.ts';
import { type Candidate, type Trust, takersFrom } from '../mesh/takeover/candidates.ts';
import { type CalledAway, Insisting, MOST_LOST, type Pull } from '../mesh/takeover/insisting.ts';
import { NodeStandings } from '../mesh/takeover/node-standings.ts';
import { Recovery } from '../mesh/takeover/recovery.ts';
import { SharedDevices } from '../mesh/takeover/shared-devices.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { Timers } from '../runtime/timers.ts';
import type { Ask } from './asking.ts';
import { LateCalls } from './late-calls.ts';
import type { LostSessions } from './lost-sessions.ts';
import type { CallCause } from './metrics.ts';
import { Neighbours } from './neighbours.ts';
import type { NodeSync } from './node-sync.ts';

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

/** How soon it is looked whether those who were called have come, and whether those who went elsewhere are silent here. */
const LOOK_MS = 500;
/**
 * So long after a sign of life was due a node is taken for dead, in milliseconds. A process that was held up runs its timers before it reads what has come
 * meanwhile, and the sign may be there.
 */
const READ_MS = 10;
/** Of so many who have gone at once, their flows are forgotten too: each costs two walks through connection tracking. */
const MOST_FLOWS = 4;

/**
 * Takes over the devices of nodes that died: this node calls its share of them, and they come. See docs/design/0024.
 */
export class Takeover {
  readonly #options: TakeoverOptions;
  readonly #standings: NodeStandings;
  readonly #connections = new Connections();
  readonly #shared = new SharedDevices();
  readonly #neighbours: Neighbours;
  /** Whom this node has called of those that other nodes have lost or let go. */
  readonly #called = new Map<string, Set<ObjectKey>>();
  #dead: ReadonlySet<string> = new Set();
  /** This node's own sessions, those too that its report tells no more: an interface that was made anew has none. */
  #own: ReadonlyMap<string, ReportedConnection> = new Map();
  readonly #recovery = new Recovery();
  #hasReported = false;
  readonly #insisting = new Insisting();
  readonly #timers: Timers;
  /** Own devices, called because their sessions were lost. */
  readonly #late: LateCalls<ReportedConnection>;
  #cancelInsisting: () => void = () => undefined;
  #cancelTick: () => void = () => undefined;
  #isJudging = false;
  #isDue = false;
  #mustInsist = false;
  /** Since when news of this node's wait to be told; undefined when all are. */
  #newsSince: number | undefined;

  constructor(options: TakeoverOptions) {
    this.#options = options;
    this.#standings = new NodeStandings(options.node);
    this.#timers = new Timers(options.clock);
    this.#late = new LateCalls({ timers: this.#timers, onDue: () => options.onDue('calls') });
    this.#neighbours = new Neighbours({ ...options, heard: (node, answers) => this.#heard(node, answers) });
  }

  /** What this node's next report says of how it and the others live, after this one. */
  liveness(before: Liveness | undefined): Liveness {
    const { clock, identity, reachesServices } = this.#options;
    const now = clock.monotonic();
    if (!this.#hasReported) this.#recovery.resume(before?.recovering === true);
    this.#hasReported = true;
    this.#recovery.take(reachesServices(), now);
    const said = { ...identity, ...this.#standings.report() };
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
      this.#neighbours.stop();
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
    if (this.#mustInsist) await this.#insist();
    await this.#late.act((late) => this.#callAnew(late));
  }

  /**
   * Calls this node's own devices after it has lost their sessions, as with a wireguard-go that was killed or a peer that somebody removed: by themselves they
   * would doubt theirs after 15 seconds. Who has come to another node is left there.
   */
  async callBack(lost: LostSessions): Promise<void> {
    const { node, sync } = this.#options;
    if (lost.isNone || sync.gateway?.spec.takeover.enabled !== true) return;
    const { names, table } = sync;
    const connections = [...this.#own.values()].filter(({ peer, byOtherKey }) => {
      const device = byOtherKey === true ? names.other : names.device;
      // The next key of a device that changes its key is added without anything being lost.
      return table.keysOf(peer as ObjectKey).some((key) => table.isInUse(key) && lost.has(device, key));
    });
    const due = this.#dueCalls({ node, connections }, [node]);
    if (due.length === 0) return;
    await this.#call('anew', due, node);
    this.#timers.later(LOOK_MS / 5, () => this.#options.onDue('peers'));
    this.#late.take(connections);
  }

  /** Calls those of its own devices anew that have neither come nor gone to another node since they were called. */
  async #callAnew(late: readonly ReportedConnection[]): Promise<void> {
    const { node, sync } = this.#options;
    await sync.seePeers();
    const lost = this.#lostOf(this.#dueCalls({ node, connections: late }, [node]));
    await sync.callPeers(lost.flatMap((call) => this.#callsTo(call, call.endpoint)));
  }

  /** These come by a load balancer: another call at their own address would stand in the way of their packets. */
  leaveToBalancer(peers: Iterable<ObjectKey>): void {
    this.#insisting.drop(peers);
    this.#armInsisting();
  }

  /** Lets go of who has gone; in a turn in which the node's peers were looked at, after that. */
  async looked(): Promise<void> {
    const gone = this.#shared.gone(this.#options.sync.observedPeers, this.#options.clock.monotonic());
    if (gone.length === 0) return;
    const { sync } = this.#options;
    const endpoints = gone.flatMap((key) => sync.observedPeers.get(key)?.endpoint ?? []);
    await sync.forgetSessions(gone);
    // What conntrack knows is no new flow, and would not be noticed should a load balancer bring it back.
    await sync.forgetCalls(endpoints.slice(0, MOST_FLOWS));
    this.#options.log.info({ devices: gone.length }, 'devices that have gone to another node are let go');
  }

  #take({ key, before, after }: Change<MeshGatewayNode>, signal: AbortSignal): void {
    const { clock, node: self, gateway } = this.#options;
    const node = (after ?? before)?.spec.node;
    if (node === undefined || (after ?? before)?.spec.gateway !== gateway) return;
    const said = JSON.stringify(this.#standings.report());
    if (node === self) this.#takeOwn(after);
    else if (isServing(after) === false && isServing(before) !== false) this.#options.onUnwell();
    this.#standings.take(node, before?.status?.liveness, after?.status?.liveness, clock.monotonic());
    const changed = this.#connections.set(key, after);
    if (node !== self && before !== undefined) this.#takeArrivals(node, changed);
    if (node !== self) this.#takeDepartures(node, changed);
    this.#tellNews(said);
    this.#neighbours.follow(signal);
    this.#follow();
  }

  /** Who has come to another node, by its report, may have left this one. */
  #takeArrivals(node: string, peers: Iterable<ObjectKey>): void {
    const { sync, onDue } = this.#options;
    const came = [...peers].filter((peer) => this.#connections.of(peer).some((one) => one.node === node));
    const keys = came.flatMap((peer) => sync.table.keysOf(peer));
    const here = keys.filter((key) => (sync.observedPeers.get(key)?.latestHandshake ?? 0) > 0);
    if (here.length === 0) return;
    this.#shared.arrived(here);
    onDue('peers');
    this.#timers.later(LOOK_MS, () => onDue('peers'));
  }

  /** Who was called away from another node, and has no session there any more by its report. */
  #takeDepartures(node: string, peers: Iterable<ObjectKey>): void {
    const gone = [...peers].filter((peer) => !this.#connections.of(peer).some((one) => one.node === node));
    this.#insisting.letGo(node, gone, this.#options.clock.monotonic());
  }

  #heard(node: string, answers: boolean): void {
    const said = JSON.stringify(this.#standings.report());
    this.#standings.heard(node, answers, this.#options.clock.monotonic());
    if (this.#tellNews(said)) this.#follow();
  }

  #tellNews(before: string): boolean {
    if (JSON.stringify(this.#standings.report()) === before) return false;
    this.#newsSince ??= this.#options.clock.monotonic();
    this.#options.onNews();
    return true;
  }

  /** Its own report comes back to it as it comes to others, which tells how long that takes. */
  #takeOwn(report: MeshGatewayNode | undefined): void {
    const now = this.#options.clock.now();
    const sessions = [...this.#own.values(), ...(report?.status?.connections ?? [])];
    const recent = sessions.filter(({ lastHandshake }) => isRecent(lastHandshake, now));
    this.#own = new Map(recent.map((session) => [session.peer, session]));
    if (this.#newsSince === undefined) return;
    const { unreachable, answered } = report?.status?.liveness ?? {};
    if (!isDeepStrictEqual({ unreachable, answered }, this.#standings.report())) return;
    this.#standings.takeRoundTrip(this.#options.clock.monotonic() - this.#newsSince);
    this.#newsSince = undefined;
  }

  /** Looks whether somebody has died, and when somebody may have next. */
  #follow(): void {
    const { clock, onDue, log } = this.#options;
    const now = clock.monotonic();
    const dead = new Set(this.#standings.dead);
    for (const lost of dead) if (!this.#dead.has(lost)) log.warn({ lost }, 'a node of the gateway is dead or cut off');
    for (const node of this.#dead) {
      if (dead.has(node)) continue;
      log.info({ node }, 'a node of the gateway is back, or gone for good');
      this.#insisting.returned(node, now);
    }
    this.#dead = dead;
    this.#armInsisting();
    if (this.#dueSessions().length > 0) {
      this.#isDue = true;
      onDue('calls');
    }
    this.#armTick(now);
  }

  #armTick(now: number): void {
    const { clock } = this.#options;
    const { nextTick } = this.#standings;
    if (this.#isJudging) return;
    this.#cancelTick();
    if (nextTick === undefined) return;
    this.#cancelTick = this.#timers.later(Math.max(0, nextTick - now), () => {
      const due = clock.monotonic();
      this.#isJudging = true;
      this.#cancelTick = this.#timers.later(READ_MS, () => {
        this.#isJudging = false;
        this.#standings.tick(due);
        this.#follow();
      });
    });
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
      const connections = this.#dead.has(node) ? all : all.filter(({ released }) => released === true);
      return connections.length === 0 && !this.#called.has(node) ? [] : [{ node, connections }];
    });
  }

  async #callLost(): Promise<void> {
    // Another node may be lost while these are called.
    this.#isDue = false;
    for (const lost of this.#dueSessions()) {
      const isDead = this.#dead.has(lost.node);
      // One whose agent alone ends is a node like any other, but for its own devices.
      const others = this.#nodes().filter(({ node }) => node !== lost.node);
      const due = this.#dueCalls(lost, takersFrom(isDead ? 'dead' : 'living', others));
      const known = this.#called.get(lost.node);
      const called = new Set(due.map(({ peer }) => peer).filter((peer) => known?.has(peer)));
      if (due.length === 0) this.#called.delete(lost.node);
      else this.#called.set(lost.node, called);
      const news = due.filter(({ peer }) => !called.has(peer));
      if (news.length === 0) continue;
      await this.#call(isDead ? 'dead' : 'released', news, lost.node);
      for (const { peer } of news) called.add(peer);
      this.#insisting.called(news, lost.node, this.#options.clock.monotonic());
      this.#armInsisting();
      this.#tell(lost.node, news.length);
    }
  }

  async #call(cause: CallCause, due: readonly DueCall[], from: string): Promise<void> {
    const { clock, log, onCalled, sync } = this.#options;
    const began = clock.monotonic();
    await sync.callPeers(due.flatMap((call) => this.#callsTo(call, call.endpoint)));
    const ms = clock.monotonic() - began;
    onCalled?.(cause, due.length, ms / 1_000);
    log.info({ cause, from, devices: due.length, ms: Math.round(ms) }, 'devices called');
  }

  #dueCalls(lost: CallInput['lost'], candidates: readonly string[]): readonly DueCall[] {
    const { node, sync } = this.#options;
    const calls = dueCalls({
      ...{ node, lost, candidates },
      sessionsOf: (peer) => this.#connections.of(peer),
      isLost: (other) => this.#standings.isDead(other),
    });
    return calls.filter(({ peer }) => sync.table.keysOf(peer).length > 0);
  }

  async #insist(): Promise<void> {
    this.#mustInsist = false;
    const { clock, sync } = this.#options;
    const calls = this.#insisting.take(clock.monotonic(), (called) => this.#pullOn(called));
    this.#insisting.forget((node) => this.#dead.has(node));
    this.#armInsisting();
    try {
      if (calls.some(({ isLate }) => isLate)) await sync.seePeers();
      const lost = new Set(this.#lostOf(calls.filter(({ isLate }) => isLate).map(({ call }) => call)));
      await sync.callPeers(
        calls.flatMap(({ call }) => this.#callsTo(call, lost.has(call) ? call.endpoint : undefined)),
      );
    } catch (error) {
      for (const { call, from } of calls) this.#insisting.called([call], from, clock.monotonic());
      this.#armInsisting();
      throw error;
    }
  }

  /**
   * Of those who are late, who has not come: what they were sent was lost, or never sent, for this node had begun a handshake with them already (wireguard-go
   * does so for whatever is sent to a device, also when it does not know where that is). WireGuard itself waits five seconds before it begins another.
   */
  #lostOf(late: readonly DueCall[]): readonly DueCall[] {
    const { clock, sync } = this.#options;
    const hasCome = ({ peer }: DueCall) =>
      sync.table
        .keysOf(peer)
        .some((key) => isLive((sync.observedPeers.get(key)?.latestHandshake ?? 0) * 1_000, clock.now()));
    return late.filter((call) => !hasCome(call)).slice(0, MOST_LOST);
  }

  /** Whoever has gone to yet another node, or has shaken hands with its former one since, is where it wants to be. */
  #pullOn({ call, from }: CalledAway): Pull {
    if (this.#options.sync.gateway?.spec.takeover.enabled !== true) return 'none';
    const sessions = this.#connections.of(call.peer);
    const elsewhere = sessions.filter(({ node }) => node !== this.#options.node && node !== from);
    if (elsewhere.some(({ node }) => !this.#standings.isDead(node))) return 'none';
    const there = sessions.filter(({ node }) => node === from);
    const { sync } = this.#options;
    const here = sync.table.keysOf(call.peer).map((key) => (sync.observedPeers.get(key)?.latestHandshake ?? 0) * 1_000);
    // A report may tell a handshake from before the call only now.
    const isOld = (handshake: string) =>
      handshake === call.lastHandshake || milliseconds(handshake) <= Math.max(...here);
    if (this.#dead.has(from) || there.some(({ lastHandshake }) => isOld(lastHandshake))) return 'draws';
    return there.length === 0 ? 'let-go' : 'none';
  }

  #armInsisting(): void {
    const { clock, onDue } = this.#options;
    this.#cancelInsisting();
    const { next } = this.#insisting;
    if (next === undefined) return;
    this.#cancelInsisting = this.#timers.later(Math.max(0, next - clock.monotonic()), () => {
      this.#mustInsist = true;
      onDue('calls');
    });
  }

  #callsTo({ peer, byOtherKey }: DueCall, endpoint?: Endpoint) {
    const { table } = this.#options.sync;
    const inUse = table.keysOf(peer).filter((key) => table.isInUse(key));
    return inUse.map((publicKey) => ({ publicKey, endpoint, byOtherKey }));
  }

  #tell(lost: string, devices: number): void {
    const { events, node, sync, onDue } = this.#options;
    this.#timers.later(LOOK_MS / 5, () => onDue('peers'));
    this.#timers.later(LOOK_MS, () => onDue('peers'));
    if (sync.gateway === undefined) return;
    const why = this.#dead.has(lost) ? 'is dead or cut off' : 'lets its devices go';
    events.record({
      regarding: sync.gateway,
      type: 'Warning',
      reason: 'DevicesTakenOver',
      action: 'TakeOver',
      note: `Node ${node} called ${devices} ${devices === 1 ? 'device' : 'devices'} of node ${lost}, which ${why}; whoever heard it connects by ${node} from now on.`,
    });
  }

  /** The gateway's nodes, this one among them, as this one sees them. */
  #nodes(): readonly Candidate[] {
    const { reports, sync } = this.#options;
    const leaving = new Set(sync.gateway?.status?.leavingNodes?.map(({ node }) => node));
    return [...reports.values()].map((report) => ({
      node: report.spec.node,
      trust: this.#trustIn(report),
      isProgrammed: holdsAll(report) || isContested(report),
      reachesServices: isServing(report) === true,
      isLeaving: leaving.has(report.spec.node),
    }));
  }

  #trustIn(report: MeshGatewayNode): Trust {
    const { node } = report.spec;
    const isOwn = node === this.#options.node;
    const trust = isOwn ? 'steady' : this.#standings.trustIn(node, this.#options.clock.monotonic());
    const isDoubtful = isContested(report) || report.status?.liveness?.recovering === true;
    return isDoubtful && trust === 'steady' ? 'living' : trust;
  }
}

function holdsAll({ status }: MeshGatewayNode): boolean {
  return ['InterfaceUp', 'Programmed'].every((type) => isTrue(status?.conditions ?? [], type));
}

/** Whether somebody undoes what the node makes: now and then it holds all that it should. */
function isContested({ status }: MeshGatewayNode): boolean {
  const conditions = status?.conditions ?? [];
  return isTrue(conditions, 'InterfaceUp') && findCondition(conditions, 'Programmed')?.reason === 'Contested';
}

/** Whether a node reaches Services; undefined while nobody knows. */
function isServing(report: MeshGatewayNode | undefined): boolean | undefined {
  const status = findCondition(report?.status?.conditions ?? [], 'ServicesReachable')?.status;
  return status === 'True' ? true : status === 'False' ? false : undefined;
}
