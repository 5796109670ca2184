import type { MeshGatewayNode } from '../api/meshgatewaynode.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { ToldPacket } from '../dataplane/nftables/told-packet.ts';
import type { Store } from '../k8s/store.ts';
import { MOST_LOST } from '../mesh/takeover/insisting.ts';
import { type MovedDevice, movedDevices, type OwnSession } from '../mesh/takeover/moved-devices.ts';
import { MOVED_FLOWS } from '../mesh/takeover/moved-flows.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { Timers } from '../runtime/timers.ts';
import { LateCalls } from './late-calls.ts';
import type { CallCause } from './metrics.ts';
import type { NodeSync } from './node-sync.ts';

export interface MovedFlowsOptions {
  readonly node: string;
  /** The reports of all nodes of the gateway. */
  readonly reports: Store<MeshGatewayNode>;
  readonly sync: Pick<
    NodeSync,
    'gateway' | 'table' | 'observedPeers' | 'callPeers' | 'seePeers' | 'forgetSessions' | 'forgetCalls'
  >;
  readonly clock: Clock;
  readonly log: Log;
  /** Devices have been called. */
  readonly onCalled?: ((cause: CallCause, devices: number, seconds: number) => void) | undefined;
  readonly onDue: (look: 'calls' | 'peers') => void;
  /** Calls to these devices are forgotten, and are not to be repeated. */
  readonly onFreed: (peers: readonly ObjectKey[]) => void;
}

/** What is noticed is looked at together after so long, in milliseconds. */
const GATHER_MS = 10;
/** The report that tells whose endpoint it is may come so much later, in milliseconds. */
const KEPT_MS = 5_000;
/** So many endpoints are kept, the latest ones. */
const MOST = 256;
/** A device is called no more often, in milliseconds: whoever knows its address may send packets in its name. */
const AGAIN_MS = 5_000;
/** Each costs two walks through connection tracking, and others wait for the turn. */
const MOST_UNBLOCKED = 8;
/** What came before a way was free is told a little later, in milliseconds. */
const TOLD_MS = 200;
/** When it is looked whether they have come, so that others learn it, in milliseconds after a call. */
const LOOKS_MS = [100, 500] as const;

/**
 * Calls devices whose packets a load balancer has begun to bring here: what leaves this node towards them is an answer to those packets, and
 * goes back as from the balancer, which is all that a NAT before a device lets in. See docs/design/0030.
 */
export class MovedFlows {
  readonly #options: MovedFlowsOptions;
  /** When each was noticed last, in monotonic milliseconds, the latest last. */
  readonly #noticed = new Map<Endpoint, number>();
  /** When devices were called last, and when the way to an endpoint was made free, in monotonic milliseconds. */
  readonly #called = new Map<ObjectKey, number>();
  readonly #freed = new Map<Endpoint, number>();
  readonly #timers: Timers;
  readonly #late: LateCalls<MovedDevice>;
  #isGathering = false;
  #isDue = false;

  constructor(options: MovedFlowsOptions) {
    this.#options = options;
    this.#timers = new Timers(options.clock);
    this.#late = new LateCalls({ timers: this.#timers, onDue: () => options.onDue('calls') });
  }

  /** Works until the signal is aborted. */
  start(signal: AbortSignal): void {
    const unsubscribe = this.#options.reports.subscribe(() => this.#gather());
    const stop = () => {
      unsubscribe();
      this.#timers.end();
    };
    signal.addEventListener('abort', stop, { once: true });
  }

  /** Takes in that a rule has told of a packet. */
  take({ chain, from }: ToldPacket): void {
    const now = this.#options.clock.monotonic();
    if (chain !== MOVED_FLOWS || now < (this.#freed.get(from) ?? Number.NEGATIVE_INFINITY) + TOLD_MS) return;
    this.#noticed.delete(from);
    this.#noticed.set(from, now);
    const [oldest] = this.#noticed.keys();
    if (this.#noticed.size > MOST && oldest !== undefined) this.#noticed.delete(oldest);
    this.#gather();
  }

  /** Calls who is to be called; in a turn, before anything else. */
  async act(): Promise<void> {
    await this.#late.act((late) => this.#callAnew(late));
    if (!this.#isDue) return;
    this.#isDue = false;
    const due = this.#due();
    const free = due.filter(({ wasCalled }) => !wasCalled);
    await this.#call(free);
    // A call may have been answered since the node's peers were looked at.
    if (free.length < due.length) this.#options.onDue('peers');
  }

  /** Makes the way free for who is to be called; in a turn in which the node's peers were looked at, after that. */
  async looked(): Promise<void> {
    if (this.#noticed.size === 0) return;
    const blocked = this.#due().filter(({ wasCalled }) => wasCalled);
    await this.#free(blocked.slice(0, MOST_UNBLOCKED));
  }

  #gather(): void {
    if (this.#isGathering || this.#noticed.size === 0) return;
    this.#isGathering = true;
    this.#timers.later(GATHER_MS, () => {
      this.#isGathering = false;
      this.#forgetOld();
      this.#isDue = this.#due().length > 0;
      if (this.#isDue) this.#options.onDue('calls');
    });
  }

  #forgetOld(): void {
    const now = this.#options.clock.monotonic();
    for (const [endpoint, at] of this.#noticed) if (now > at + KEPT_MS) this.#noticed.delete(endpoint);
    for (const [peer, at] of this.#called) if (now > at + AGAIN_MS) this.#called.delete(peer);
    for (const [endpoint, at] of this.#freed) if (now > at + TOLD_MS) this.#freed.delete(endpoint);
  }

  #due(): readonly MovedDevice[] {
    return this.#movedFrom(new Set(this.#noticed.keys())).filter(({ peer }) => !this.#called.has(peer));
  }

  #movedFrom(endpoints: ReadonlySet<Endpoint>): readonly MovedDevice[] {
    const { node, reports, sync } = this.#options;
    if (sync.gateway?.spec.takeover.enabled !== true) return [];
    const others = [...reports.values()].filter(({ spec }) => spec.node !== node);
    const sessions = others.flatMap(({ status }) => status?.connections ?? []);
    return movedDevices({ endpoints, sessions, own: (peer) => this.#own(peer) });
  }

  /** Its latest session by any of its keys; undefined for one that is not let in. */
  #own(peer: ObjectKey): OwnSession | undefined {
    const { table, observedPeers } = this.#options.sync;
    const seen = table.keysOf(peer).map((key) => observedPeers.get(key));
    const sessions = seen.map((one) => ({ endpoint: one?.endpoint, handshake: (one?.latestHandshake ?? 0) * 1000 }));
    return sessions.sort((one, other) => other.handshake - one.handshake)[0];
  }

  async #call(devices: readonly MovedDevice[]): Promise<void> {
    if (devices.length === 0) return;
    const { clock, log, onCalled, onDue } = this.#options;
    const began = clock.monotonic();
    await this.#send(devices);
    for (const { peer, endpoint } of devices) {
      this.#called.set(peer, began);
      this.#noticed.delete(endpoint);
    }
    const ms = clock.monotonic() - began;
    onCalled?.('moved', devices.length, ms / 1_000);
    log.info({ cause: 'moved', devices: devices.length, ms: Math.round(ms) }, 'devices called');
    for (const wait of LOOKS_MS) this.#timers.later(wait, () => onDue('peers'));
    this.#late.take(devices);
  }

  /** Calls anew who has neither come nor gone anywhere else since it was called, as in 0024. */
  async #callAnew(late: readonly MovedDevice[]): Promise<void> {
    await this.#options.sync.seePeers();
    const moved = this.#movedFrom(new Set(late.map(({ endpoint }) => endpoint)));
    // A call ends what this node had of a device, so whoever has a session since has come.
    const isLost = ({ peer, lastHandshake }: MovedDevice) =>
      this.#own(peer)?.handshake === 0 && late.some((one) => one.peer === peer && one.lastHandshake === lastHandshake);
    await this.#send(moved.filter(isLost).slice(0, MOST_LOST));
  }

  async #send(devices: readonly MovedDevice[]): Promise<void> {
    const calls = devices.flatMap(({ peer, endpoint, byOtherKey }) =>
      this.#keysOf(peer).map((publicKey) => ({ publicKey, endpoint, byOtherKey })),
    );
    await this.#options.sync.callPeers(calls);
  }

  /**
   * What this node has sent to an endpoint before anything came from there stands in the way: conntrack gives what comes another source port
   * then, and a call to the known one is not an answer. With that forgotten, the device's next packet is noticed as it is.
   */
  async #free(devices: readonly MovedDevice[]): Promise<void> {
    if (devices.length === 0) return;
    const { clock, log, sync } = this.#options;
    this.#options.onFreed(devices.map(({ peer }) => peer));
    await sync.forgetSessions(devices.flatMap(({ peer }) => this.#keysOf(peer)));
    await sync.forgetCalls(devices.map(({ endpoint }) => endpoint));
    for (const { endpoint } of devices) {
      this.#freed.set(endpoint, clock.monotonic());
      this.#noticed.delete(endpoint);
    }
    log.info({ devices: devices.length }, 'calls to devices that come by a load balancer are forgotten');
  }

  #keysOf(peer: ObjectKey) {
    const { table } = this.#options.sync;
    return table.keysOf(peer).filter((key) => table.isInUse(key));
  }
}
