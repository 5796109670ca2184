import { isDeepStrictEqual } from 'node:util';
import { isTrue } from '../api/conditions.ts';
import type { Liveness, MeshGatewayNode } from '../api/meshgatewaynode.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { EventRecorder } from '../k8s/events.ts';
import type { Change, Store } from '../k8s/store.ts';
import { Connections } from '../mesh/connections.ts';
import { type DueCall, dueCalls } from '../mesh/takeover/calls.ts';
import { neighboursOf } from '../mesh/takeover/neighbours.ts';
import { NodeStandings } from '../mesh/takeover/node-standings.ts';
import { SharedDevices } from '../mesh/takeover/shared-devices.ts';
import { addressesIn } from '../net/address.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { PublicKey } from '../net/key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import type { Ask } from './asking.ts';
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
    'gateway' | 'table' | 'topology' | 'observedPeers' | 'takeAskers' | 'callPeers' | 'forgetSessions'
  >;
  readonly clock: Clock;
  readonly log: Log;
  readonly events: EventRecorder;
  /** What this node's report says of the others has changed, and is to be told at once. */
  readonly onNews: () => void;
  /** There is something to be done on the node: `calls` at once, `touched` and `peers` as after any other change. */
  readonly onDue: (look: 'calls' | 'touched' | 'peers') => void;
}

/** A device that was called is called again after these times, in milliseconds, should what its former node still had to send it draw it back. */
const INSIST_MS = [1_000, 2_000] as const;
/** How soon it is looked whether those who were called have come, and whether those who went elsewhere are silent here. */
const LOOK_MS = 500;

/**
 * Takes over the devices of nodes that died: this node calls its share of them, and they come. See docs/design/0024.
 */
export class Takeover {
  readonly #options: TakeoverOptions;
  readonly #standings: NodeStandings;
  readonly #connections = new Connections();
  readonly #shared = new SharedDevices();
  readonly #asking = new Map<string, AbortController>();
  /** Whom this node has called since which node died. */
  readonly #called = new Map<string, Set<ObjectKey>>();
  /** Of each device that is called again: where it was called from first. */
  readonly #insisting = new Map<ObjectKey, DueCall>();
  #cancelTick: () => void = () => undefined;
  readonly #cancels = new Set<() => void>();
  #isDue = false;
  #mustInsist = false;
  #neighbours = '';
  /** Since when news of this node's wait to be told; undefined when all are. */
  #newsSince: number | undefined;

  constructor(options: TakeoverOptions) {
    this.#options = options;
    this.#standings = new NodeStandings(options.node);
  }

  /** What this node's report says of how it and the others live. */
  get liveness(): Liveness {
    return { ...this.#options.identity, ...this.#standings.report() };
  }

  /** Whether another node has a session of the device too, so that reports must tell whose is the later one. */
  isShared(peer: ObjectKey): boolean {
    return this.#connections.of(peer).some(({ node }) => node !== this.#options.node);
  }

  /** Works until the signal is aborted. */
  start(signal: AbortSignal): void {
    const { reports } = this.#options;
    for (const [key, after] of reports.entries()) this.#take({ key, after }, signal);
    const unsubscribe = reports.subscribe((change) => this.#take(change, signal));
    const stop = () => {
      unsubscribe();
      this.#cancelTick();
      for (const cancel of this.#cancels) cancel();
      for (const asking of this.#asking.values()) asking.abort();
    };
    signal.addEventListener('abort', stop, { once: true });
  }

  /** Calls who is to be called; in a turn, before anything else. */
  async act(): Promise<void> {
    if (this.#isDue) await this.#callLost();
    if (this.#mustInsist) await this.#insist();
  }

  /** Lets go of who has gone; in a turn in which the node's peers were looked at, after that. */
  async looked(): Promise<void> {
    const gone = this.#shared.gone(this.#options.sync.observedPeers, this.#options.clock.monotonic());
    if (gone.length === 0) return;
    await this.#options.sync.forgetSessions(gone);
    this.#options.log.info({ devices: gone.length }, 'devices that have gone to another node are let go');
  }

  #take({ key, before, after }: Change<MeshGatewayNode>, signal: AbortSignal): void {
    const { clock, node: self, gateway } = this.#options;
    const node = (after ?? before)?.spec.node;
    if (node === undefined || (after ?? before)?.spec.gateway !== gateway) return;
    const said = JSON.stringify(this.#standings.report());
    if (node === self) this.#takeOwn(after);
    this.#standings.take(node, before?.status?.liveness, after?.status?.liveness, clock.monotonic());
    const changed = this.#connections.set(key, after);
    if (node !== self && before !== undefined) this.#takeArrivals(node, changed);
    this.#tellNews(said);
    this.#followNeighbours(signal);
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
    this.#later(LOOK_MS, () => onDue('peers'));
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
    const { publicKey: _, addresses: __, ...said } = report?.status?.liveness ?? this.liveness;
    if (this.#newsSince === undefined || !isDeepStrictEqual(said, this.#standings.report())) return;
    this.#standings.takeRoundTrip(this.#options.clock.monotonic() - this.#newsSince);
    this.#newsSince = undefined;
  }

  /** Looks whether somebody has died, and when somebody may have next. */
  #follow(): void {
    const { clock, onDue, log } = this.#options;
    const now = clock.monotonic();
    this.#standings.tick(now);
    const dead = new Set(this.#standings.dead);
    for (const node of this.#called.keys()) {
      if (dead.has(node)) continue;
      this.#called.delete(node);
      log.info({ node }, 'a node of the gateway is back, or gone for good');
    }
    for (const lost of dead) {
      if (this.#called.has(lost)) continue;
      this.#called.set(lost, new Set());
      log.warn({ lost }, 'a node of the gateway is dead or cut off');
    }
    if (this.#called.size > 0) {
      this.#isDue = true;
      onDue('calls');
    }
    this.#cancelTick();
    const next = this.#standings.nextTick;
    if (next !== undefined) this.#cancelTick = clock.timer(Math.max(0, next - now), () => this.#follow());
  }

  #followNeighbours(signal: AbortSignal): void {
    const { node, reports, ask, sync, onDue } = this.#options;
    const told = [...reports.values()].filter(({ status }) => status?.liveness !== undefined);
    const askers = new Map(told.map(({ spec, status }) => [spec.node, status?.liveness?.publicKey as PublicKey]));
    const said = JSON.stringify([...askers].sort());
    if (said === this.#neighbours || signal.aborted) return;
    this.#neighbours = said;
    const neighbours = neighboursOf(node, askers.keys());
    sync.takeAskers(new Set(neighbours.flatMap((neighbour) => askers.get(neighbour) ?? [])));
    onDue('touched');
    for (const [asked, asking] of this.#asking) {
      if (neighbours.includes(asked)) continue;
      asking.abort();
      this.#asking.delete(asked);
    }
    for (const neighbour of neighbours) {
      if (this.#asking.has(neighbour)) continue;
      const asking = new AbortController();
      this.#asking.set(neighbour, asking);
      ask(
        () => this.#asked(neighbour),
        (answers) => this.#heard(neighbour, answers),
        asking.signal,
      );
    }
  }

  #asked(node: string) {
    const topology = this.#options.sync.topology();
    const liveness = this.#reportOf(node)?.status?.liveness;
    if (topology === undefined || liveness === undefined) return undefined;
    return { addresses: addressesIn(liveness.addresses), port: topology.listenPort, publicKey: topology.publicKey };
  }

  async #callLost(): Promise<void> {
    for (const [lost, called] of this.#called) {
      const due = this.#dueCalls(lost).filter(({ peer }) => !called.has(peer));
      if (due.length === 0) continue;
      const began = this.#options.clock.monotonic();
      await this.#options.sync.callPeers(due.flatMap((call) => this.#callsTo(call, call.endpoint as Endpoint)));
      for (const call of due) {
        called.add(call.peer);
        this.#insisting.set(call.peer, call);
      }
      this.#tell(lost, due.length, this.#options.clock.monotonic() - began);
    }
    this.#isDue = false;
  }

  #dueCalls(lost: string): readonly DueCall[] {
    const { node, sync } = this.#options;
    const calls = dueCalls({
      node,
      lost: { node: lost, connections: this.#reportOf(lost)?.status?.connections ?? [] },
      candidates: this.#candidates(),
      sessionsOf: (peer) => this.#connections.of(peer),
      isLost: (other) => this.#standings.isDead(other),
    });
    return calls.filter(({ peer }) => sync.table.keysOf(peer).length > 0);
  }

  /** Whoever has gone to yet another node is called no more. */
  async #insist(): Promise<void> {
    this.#mustInsist = false;
    const calls = [...this.#insisting.values()].filter(({ peer }) => !this.#isElsewhere(peer));
    await this.#options.sync.callPeers(calls.flatMap((call) => this.#callsTo(call)));
  }

  #isElsewhere(peer: ObjectKey): boolean {
    const { node } = this.#options;
    return this.#connections.of(peer).some((one) => one.node !== node && !this.#standings.isDead(one.node));
  }

  #callsTo({ peer, byOtherKey }: DueCall, endpoint?: Endpoint) {
    const { table } = this.#options.sync;
    const inUse = table.keysOf(peer).filter((key) => table.isInUse(key));
    return inUse.map((publicKey) => ({ publicKey, endpoint, byOtherKey }));
  }

  #tell(lost: string, devices: number, ms: number): void {
    const { events, log, node, sync, onDue } = this.#options;
    log.info({ lost, devices, ms: Math.round(ms) }, 'devices called');
    for (const [index, wait] of INSIST_MS.entries())
      this.#later(wait, () => {
        this.#mustInsist = true;
        onDue('calls');
        if (index === INSIST_MS.length - 1) this.#later(LOOK_MS, () => this.#insisting.clear());
      });
    this.#later(LOOK_MS / 5, () => onDue('peers'));
    this.#later(LOOK_MS, () => onDue('peers'));
    if (sync.gateway === undefined) return;
    events.record({
      regarding: sync.gateway,
      type: 'Warning',
      reason: 'DevicesTakenOver',
      action: 'TakeOver',
      note: `Node ${lost} is dead or cut off; node ${node} called ${devices} of its devices, whose new connections go by it from now on.`,
    });
  }

  /** A node that cannot reach Services, or cannot hold what the resources say, is no better than the one that is lost. */
  #candidates(): readonly string[] {
    const now = this.#options.clock.monotonic();
    return [...this.#options.reports.values()].flatMap(({ spec, status }) => {
      const conditions = status?.conditions ?? [];
      const works = ['InterfaceUp', 'Programmed', 'ServicesReachable'].every((type) => isTrue(conditions, type));
      const lives = spec.node === this.#options.node || this.#standings.mayTakeOver(spec.node, now);
      return works && lives ? [spec.node] : [];
    });
  }

  #reportOf(node: string): MeshGatewayNode | undefined {
    return [...this.#options.reports.values()].find(({ spec }) => spec.node === node);
  }

  #later(ms: number, act: () => void): void {
    const cancel = this.#options.clock.timer(ms, () => {
      this.#cancels.delete(cancel);
      act();
    });
    this.#cancels.add(cancel);
  }
}
