import { isDeepStrictEqual } from 'node:util';
import { type Condition, isTrue } from '../api/conditions.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshGatewayNodeStatus } from '../api/meshgatewaynode.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { AGENT_MANAGER, GATEWAY_LABEL, gatewayNodeName } from '../api/names.ts';
import { ownerReferenceOf } from '../api/owner.ts';
import { type ObjectKey, versionNumber } from '../api/resource.ts';
import { describeOperation, type Operation } from '../dataplane/operation.ts';
import type { Host } from '../host/host.ts';
import type { Client } from '../k8s/client.ts';
import { delay } from '../k8s/clock.ts';
import type { EventRecorder } from '../k8s/events.ts';
import { heartbeat } from '../k8s/lease.ts';
import type { Store } from '../k8s/store.ts';
import { type FullDevice, tooManyConnections } from '../mesh/connection-tracking.ts';
import { isAwaited } from '../mesh/members.ts';
import { judgeNode, type NodeFailure } from '../mesh/node-status.ts';
import type { PeerTable } from '../mesh/peer-table.ts';
import { reachesServices } from '../mesh/probe-standing.ts';
import { liveSessions, type SeenPeer } from '../mesh/sessions.ts';
import type { Topology } from '../mesh/topology.ts';
import type { IpAddress } from '../net/address.ts';
import type { PublicKey } from '../net/key.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Log } from '../runtime/log.ts';
import { AuditTrail } from './audit-trail.ts';
import { DeviceConfigurations, type Listen } from './device-configurations.ts';
import { failureOf } from './failure.ts';
import { confirmFirstList } from './first-list.ts';
import { ForeignRules } from './foreign-rules.ts';
import { type AccessStores, GrantedAccess } from './granted-access.ts';
import { KeyChanges } from './key-changes.ts';
import { forgetNode } from './leave.ts';
import { waitUntilGone } from './letting-go.ts';
import { LostSessions } from './lost-sessions.ts';
import { MovedFlows } from './moved-flows.ts';
import { NodeSync, type Turn } from './node-sync.ts';
import { NodeTracking, type TrackingBounds } from './node-tracking.ts';
import { Probing } from './probing.ts';
import type { TurnRecorder } from './recorder.ts';
import { Releasing } from './releasing.ts';
import { Repairs } from './repairs.ts';
import { Reporter } from './reporter.ts';
import type { ServiceProbe } from './service-probe.ts';
import { Takeover, type TakeoverOptions } from './takeover.ts';
import { type Look, Wake } from './wake.ts';

export interface AgentOptions {
  readonly gateway: string;
  readonly node: string;
  readonly namespace: string;
  readonly identity: string;
  readonly gateways: Store<MeshGateway>;
  readonly peers: Store<MeshPeer>;
  /** Begins to follow what grants access; called when the gateway first denies by default. */
  readonly followAccess: () => AccessStores;
  readonly client: Client;
  readonly host: Host;
  readonly probe: Pick<ServiceProbe, 'run' | 'close'>;
  readonly probeKey: PublicKey;
  /** The reports of all the gateway's nodes, how this one asks others whether they live, and at which of its addresses it is asked. */
  readonly reports: TakeoverOptions['reports'];
  readonly ask: TakeoverOptions['ask'];
  readonly addresses: readonly IpAddress[];
  readonly events: EventRecorder;
  readonly listen: Listen;
  readonly clock: Clock;
  readonly log: Log;
  /** Where the audit log goes, whatever the level of the other one. */
  readonly audit: Log;
  readonly recorder?: TurnRecorder;
}

/** What an agent has seen of its node last. */
export interface AgentView {
  readonly observed: ReadonlyMap<PublicKey, SeenPeer>;
  readonly table: Pick<PeerTable, 'isInUse' | 'memberCount' | 'memberWith'>;
  /** The name of the gateway's table. */
  readonly firewall: string;
  /** As its report has them. */
  readonly conditions: readonly Condition[];
  /** How many devices wait for their preshared key. */
  readonly withoutPresharedKey: number;
  /** How many devices may open no more connections for now. */
  readonly devicesAtLimit: number;
}

/** Everything is observed anew this often, whatever the monitors say. */
const RESYNC_MS = 60_000;
/** The interface's peers are looked at this often for handshakes and changes by another hand; rarer where the dump is long. */
const PEERS_MS = 3_000;
const PEERS_MS_PER_PEER = 2;
/** While the gateway has two keys, those who have come by the other one are looked for this often: until then no answer reaches them. */
const ARRIVALS_MS = 200;
/** How far the node has followed MeshPeers that changed nothing on it is looked at this often. */
const VERSION_MS = 60_000;
/** So long the first look at the node waits for the reports of the others. */
const REPORTS_MS = 2_000;
const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 30_000] as const;

/**
 * Serves one gateway on one node: keeps the kernel where the resources say, probes it as a laptop would, and reports what it
 * found. It holds no state that it could not find again, so it may be killed at any moment.
 */
export class Agent {
  readonly #options: AgentOptions;
  readonly #access: GrantedAccess;
  readonly #sync: NodeSync;
  readonly #wake = new Wake();
  readonly #reporter: Reporter;
  readonly #probing: Probing;
  readonly #foreign: ForeignRules;
  readonly #tracking: NodeTracking;
  readonly #configurations: DeviceConfigurations;
  readonly #keyChanges: KeyChanges;
  readonly #audit: AuditTrail;
  readonly #takeover: Takeover;
  readonly #repairs: Repairs;
  readonly #movedFlows: MovedFlows;
  /** How far the MeshPeers have been followed. */
  #followed = -1n;
  readonly #releasing: Releasing;
  /** The last look at what is to be audited. */
  #auditing: Promise<void> = Promise.resolve();
  #failure: NodeFailure | undefined;
  #failures = 0;
  #retryAt = 0;
  #cancelRetry: () => void = () => undefined;
  #cancelExpiry: () => void = () => undefined;
  /** The node holds nothing of the gateway any more. */
  #cleaned = false;
  /** What was done since the last look at the node began, also where that broke off. */
  #steps: Operation[] = [];
  /** Its report is gone, too: the API server may take that later. */
  #forgotten = false;
  /** Whose sessions are gone, and who are still to be called. */
  #lost = new LostSessions();

  constructor(options: AgentOptions) {
    this.#options = options;
    this.#access = new GrantedAccess(options.followAccess, () => this.#takeGrants());
    this.#sync = new NodeSync({
      ...options,
      access: this.#access,
      full: () => this.#tracking.full.flatMap(({ addresses }) => addresses),
      onOperation: (operation) => this.#logOperation(operation),
      onApplied: (operation, seconds) => {
        this.#steps.push(operation);
        options.recorder?.applied(operation, seconds);
      },
      onUnended: (error) => this.#tellUnended(error),
    });
    this.#reporter = new Reporter({
      ...options,
      status: (before) => this.#status(before),
      owner: () => this.#sync.gateway,
      onFailure: (error) => options.log.warn({ error }, 'report not written'),
    });
    this.#probing = new Probing({
      ...options,
      target: () => (this.#sync.appliedResourceVersion === undefined ? undefined : this.#sync.topology()),
      onProbe: () => {
        void this.#foreign.probed(this.#probing.verdict);
        this.#reporter.changed();
      },
    });
    this.#foreign = new ForeignRules({
      ...options,
      names: this.#sync.names,
      onLook: () => this.#reporter.changed(),
    });
    this.#tracking = new NodeTracking({
      ...options,
      table: this.#sync.table,
      bounds: () => boundsOf(this.#sync.topology()),
      onLook: () => this.#reporter.changed(),
      onFull: (added) => this.#takeFull(added),
    });
    this.#repairs = new Repairs({
      ...options,
      sync: this.#sync,
      onDue: () => this.#wake.wish('all'),
      onMended: () => options.recorder?.mended(),
    });
    this.#keyChanges = new KeyChanges({
      table: this.#sync.table,
      clock: options.clock,
      onLook: () => this.#wake.wish('peers'),
    });
    this.#audit = new AuditTrail({
      ...options,
      sync: this.#sync,
      access: this.#access,
      onAudited: (...told) => options.recorder?.audited(...told),
    });
    this.#takeover = new Takeover({
      ...options,
      sync: this.#sync,
      identity: { publicKey: options.probeKey, addresses: [...options.addresses] },
      onCalled: (...called) => options.recorder?.called(...called),
      reachesServices: () => reachesServices(this.#probing.verdict),
      onUnwell: () => this.#probing.hurry(),
      onNews: () => this.#reporter.changedNow(),
      onDue: (look) => this.#wake.wish(look),
    });
    this.#movedFlows = new MovedFlows({
      ...options,
      sync: this.#sync,
      onCalled: (...called) => options.recorder?.called(...called),
      onDue: (look) => this.#wake.wish(look),
      onFreed: (freed) => this.#takeover.leaveToBalancer(freed),
    });
    this.#releasing = new Releasing({
      ...options,
      sync: this.#sync,
      taker: () => this.#takeover.taker,
      reachesServices: () => reachesServices(this.#probing.verdict) !== false,
    });
    this.#configurations = new DeviceConfigurations({
      ...options,
      sync: this.#sync,
      onProblem: () => this.#reporter.changed(),
    });
  }

  /** Why the agent does not serve; undefined when it does. */
  notReady(): string | undefined {
    if (this.#failure !== undefined) return this.#failure.message;
    if (this.#sync.appliedResourceVersion !== undefined) return this.#releasing.unwell;
    return this.#sync.waitsForGrants
      ? 'not every MeshAccess, Service and Namespace has been seen yet, so the node stays as it is'
      : 'the first plan has not been applied yet';
  }

  get view(): AgentView {
    return {
      observed: this.#sync.observedPeers,
      table: this.#sync.table,
      firewall: this.#sync.names.table,
      conditions: this.#reporter.written?.conditions ?? [],
      withoutPresharedKey: [...this.#sync.withoutPresharedKey()].length,
      devicesAtLimit: this.#tracking.full.length,
    };
  }

  /** Whether the node holds nothing of the gateway any more, and that is told. */
  get isClean(): boolean {
    return this.#forgotten;
  }

  /** Works until the signal is aborted, and the kernel keeps what it has then; or until a gateway comes back after its deletion. */
  async run(signal: AbortSignal): Promise<void> {
    const { gateways, peers, reports, clock } = this.#options;
    try {
      await Promise.all([gateways.whenSynced(signal), peers.whenSynced(signal), this.#reporter.start()]);
      // So that the keys of nodes that ask are not taken out first; but nothing depends on the others' reports.
      await Promise.race([reports.whenSynced(signal), delay(clock, REPORTS_MS, signal)]);
      await this.#confirmPeers();
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
    this.#watch(signal);
    const living = new AbortController();
    const alive = AbortSignal.any([signal, living.signal]);
    const beating = this.#beat(alive);
    const probing = this.#probing.run(alive);
    const tracking = this.#tracking.run(alive);
    const takingOver = this.#takeOver(alive);
    await this.#turnForever(signal, () => living.abort());
    this.#cancelRetry();
    this.#cancelExpiry();
    this.#keyChanges.close();
    this.#repairs.close();
    this.#sync.close();
    await Promise.all([beating, probing, tracking, takingOver, this.#auditing]);
    this.#configurations.close();
    await this.#options.probe.close();
    if (!this.#cleaned) await this.#reporter.stop();
  }

  async #confirmPeers(): Promise<void> {
    const { gateway, peers, host, client, clock, log } = this.#options;
    // A node that cannot be looked at says why in its first turn.
    const untold = (error: unknown) => log.warn({ error }, 'the first list of MeshPeers is believed without a look');
    const held = await host.observePeers(this.#sync.names.device).catch(untold);
    if (held !== undefined) await confirmFirstList({ gateway, held, listed: peers.values(), now: clock.now() }, client);
  }

  /**
   * Before the program ends: where the data plane would end with it, or soon after because the node is to be cleaned, its devices are let go, those with
   * open connections last, and it waits for a while until other nodes have called them.
   */
  async letGo(isLeaving: boolean): Promise<void> {
    const endsToo = isLeaving || this.#sync.state?.device?.dataplane === 'Userspace';
    if (!endsToo || this.#sync.gateway?.spec.takeover.enabled !== true || this.#ownSessions().length === 0) return;
    await waitUntilGone({
      releasing: this.#releasing,
      ownSessions: () => this.#ownSessions(),
      onReport: () => this.#reporter.changedNow(),
      clock: this.#options.clock,
    });
  }

  /** Of devices that have none with another node. Those of a gateway that is being deleted are taken over by nobody. */
  #ownSessions(): readonly ObjectKey[] {
    if (!this.#isThere() || this.#cleaned) return [];
    const told = this.#reporter.written?.connections ?? [];
    return told.map(({ peer }) => peer as ObjectKey).filter((peer) => !this.#takeover.isShared(peer));
  }

  async #takeOver(signal: AbortSignal): Promise<void> {
    try {
      await this.#options.reports.whenSynced(signal);
      this.#takeover.start(signal);
      this.#movedFlows.start(signal);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  /** Takes everything off the node and the report out of the API; what is done of that is not done again. */
  async cleanUp(): Promise<void> {
    this.#configurations.close();
    if (!this.#cleaned) await this.#sync.cleanUp();
    this.#cleaned = true;
    await this.#reporter.stop();
    await forgetNode(this.#options.client, this.#options);
    this.#forgotten = true;
    this.#options.log.info({}, 'the node is clean');
  }

  #watch(signal: AbortSignal): void {
    const { gateways, peers, host } = this.#options;
    const takePeer: Parameters<typeof peers.subscribe>[0] = (change) => {
      this.#sync.takePeer(change);
      this.#audit.takePeer(change, 'news');
      this.#armExpiry();
      const followed = versionNumber(peers.lastResourceVersion);
      if (followed < this.#followed) this.#reporter.wentBack();
      this.#followed = followed;
      const awaited = change.after && isAwaited(change.after) ? change.after.metadata.resourceVersion : undefined;
      if (awaited !== undefined) this.#reporter.await(awaited);
      if (this.#sync.hasTouched || awaited !== undefined) this.#wake.wish('touched');
    };
    for (const [key, after] of peers.entries()) this.#audit.takePeer({ key, after }, 'found');
    peers.subscribe(takePeer);
    for (const [key, after] of peers.entries()) takePeer({ key, after });
    gateways.subscribe(({ key, before, after }) => {
      if (key !== this.#options.gateway) return;
      if (!isDeepStrictEqual(before && forNode(before), after && forNode(after))) this.#wake.wish('all');
      if (!isDeepStrictEqual(before?.status?.leavingNodes, after?.status?.leavingNodes)) this.#wake.wish('peers');
    });
    host.watchDrift(
      this.#sync.names,
      signal,
      (_what, by) => this.#repairs.heard(by),
      (packet) => this.#movedFlows.take(packet),
    );
    host.watchPresharedKeys(signal, () => {
      this.#sync.presharedKeysChanged();
      this.#wake.wish('touched');
    });
    host.watchPrivateKeys(signal, () => this.#wake.wish('all'));
    this.#wake.wish('all');
    void this.#every(
      () => ARRIVALS_MS,
      signal,
      () => this.#sync.isTwofold && this.#wake.wish('arrivals'),
    );
    void this.#every(
      () => RESYNC_MS,
      signal,
      () => this.#wake.wish('all'),
    );
    void this.#every(
      () => Math.max(PEERS_MS, this.#sync.table.wanted.size * PEERS_MS_PER_PEER),
      signal,
      () => this.#wake.wish('peers'),
    );
    void this.#every(
      () => VERSION_MS,
      signal,
      () => this.#wake.wish('touched'),
    );
  }

  async #every(ms: () => number, signal: AbortSignal, act: () => unknown): Promise<void> {
    while (!signal.aborted) {
      await delay(this.#options.clock, ms(), signal);
      act();
    }
  }

  async #turnForever(signal: AbortSignal, onLeaving: () => void): Promise<void> {
    for (let look = await this.#wake.next(signal); look !== undefined; look = await this.#wake.next(signal)) {
      if (this.#cleaned && this.#isThere()) return;
      if (this.#forgotten) continue;
      const began = this.#options.clock.monotonic();
      if (this.#cleaned || this.#sync.gateway?.metadata.deletionTimestamp !== undefined) {
        onLeaving();
        await this.cleanUp().catch((error: unknown) => this.#fail(error, began));
      } else if (!(await this.#tryTurn(look, began))) continue;
      if (this.#cleaned) continue;
      this.#configurations.follow();
      this.#reporter.changed();
      this.#keyChanges.follow(look === 'peers' ? this.#options.clock.monotonic() - began : undefined);
    }
  }

  /** Like #takeTurn; after one that failed the resources are followed, too. */
  async #tryTurn(look: Look, began: number): Promise<boolean> {
    try {
      return await this.#takeTurn(look);
    } catch (error) {
      this.#fail(error, began);
      return true;
    }
  }

  /** Says whether it was a turn in which the resources are followed, and not one for what cannot wait alone. */
  async #takeTurn(look: Look): Promise<boolean> {
    await this.#takeover.act();
    await this.#movedFlows.act();
    if (look === 'calls') return false;
    await this.#sync.syncArrivals();
    if (look === 'arrivals') return false;
    await this.#turn(look);
    // After a failure it is not known who is there.
    if (this.#failure === undefined) {
      await this.#takeover.callBack(this.#lost);
      this.#lost = new LostSessions();
    }
    if (look === 'touched') return true;
    await this.#takeover.looked();
    await this.#movedFlows.looked();
    await this.#releasing.look();
    return true;
  }

  /** Whether there is a gateway of this name that is there to stay. */
  #isThere(): boolean {
    const { gateway } = this.#sync;
    return gateway !== undefined && gateway.metadata.deletionTimestamp === undefined;
  }

  async #turn(look: Exclude<Look, 'calls' | 'arrivals'>): Promise<void> {
    const { clock, recorder } = this.#options;
    const began = clock.monotonic();
    let ended: 'well' | 'failed' = 'failed';
    try {
      await this.#bring(look);
      ended = 'well';
    } finally {
      recorder?.turned(look, (clock.monotonic() - began) / 1_000, ended);
    }
  }

  /** After a failure everything is tried again when its time has come; until then, who is revoked is put out all the same. */
  async #bring(look: Exclude<Look, 'calls' | 'arrivals'>): Promise<void> {
    if (this.#failure !== undefined && this.#options.clock.monotonic() < this.#retryAt) {
      await this.#sync.syncRevoked();
      return;
    }
    this.#repairs.looks();
    this.#steps = [];
    let isWell = false;
    try {
      const turn = await this.#look(this.#failure === undefined ? look : 'all');
      if (look === 'all' || turn.mended) this.#repairs.took(turn.operations, turn.mended);
      isWell = true;
    } finally {
      this.#repairs.looked(isWell);
      for (const step of this.#steps) this.#lost.take(step);
    }
    if (this.#failure !== undefined) this.#options.log.info({}, 'recovered');
    this.#failure = undefined;
    this.#failures = 0;
    this.#followAudit(look);
  }

  /** Whether it can be told has no part in whether the node is where it should be. */
  #followAudit(look: Look): void {
    this.#auditing = this.#audit
      .follow(look !== 'touched')
      .catch((error: unknown) => this.#options.log.error({ error }, 'audit log not written'));
  }

  #look(look: Exclude<Look, 'calls' | 'arrivals'>): Promise<Turn> {
    if (look === 'all') return this.#sync.syncAll();
    return look === 'peers' ? this.#sync.syncPeers() : this.#sync.syncTouched();
  }

  /**
   * Tells what is wrong and comes back later; the data plane stays as it is meanwhile. What fails in a turn that began while a retry was
   * waited for does not put that off.
   */
  #fail(error: unknown, began: number): void {
    const { clock, log } = this.#options;
    const isWaiting = this.#failure !== undefined && began < this.#retryAt;
    this.#failure = failureOf(error);
    if (!isWaiting) {
      const wait = RETRY_MS[Math.min(this.#failures, RETRY_MS.length - 1)] ?? RETRY_MS[0];
      this.#failures += 1;
      this.#retryAt = clock.monotonic() + wait;
      this.#cancelRetry();
      this.#cancelRetry = clock.timer(wait, () => this.#wake.wish('all'));
    }
    const retryInMs = Math.max(0, Math.round(this.#retryAt - clock.monotonic()));
    log.error({ error, failures: this.#failures, retryInMs }, 'the node is not where it should be');
  }

  /** What is open and should not be harms nobody else, so turns go on. */
  #tellUnended(error: unknown): void {
    const { log } = this.#options;
    if (error === undefined) log.info({}, 'connections that are let in no more have been ended');
    else log.error({ error }, 'connections that are let in no more could not be ended yet');
    this.#reporter.changed();
  }

  #takeGrants(): void {
    this.#sync.grantsChanged();
    this.#armExpiry();
    this.#wake.wish(this.#sync.appliedResourceVersion === undefined ? 'all' : 'touched');
  }

  /** Who has too many connections open is refused more from the next step on. */
  #takeFull(added: readonly FullDevice[]): void {
    const { events, node } = this.#options;
    const { gateway } = this.#sync;
    this.#sync.grantsChanged();
    this.#wake.wish('touched');
    if (gateway === undefined || added.length === 0) return;
    events.record({
      regarding: gateway,
      type: 'Warning',
      reason: 'TooManyConnections',
      action: 'Refuse',
      note: tooManyConnections(node, added, gateway.spec.access.maxConnections),
    });
  }

  /**
   * One timer for the next expiry: revocation must not depend on anybody telling. What is over by now is taken in by the same look at the clock,
   * since no later timer tells of it: a timer may be early, or be replaced while it is due.
   */
  #armExpiry(): void {
    const { clock } = this.#options;
    this.#cancelExpiry();
    const now = clock.now();
    if (this.#sync.takeExpiry(now)) this.#wake.wish('touched');
    const next = Math.min(this.#sync.table.nextExpiry(), this.#access.nextEnd(now));
    if (next === Number.POSITIVE_INFINITY) return;
    this.#cancelExpiry = clock.timer(next - now, () => this.#armExpiry());
  }

  async #beat(signal: AbortSignal): Promise<void> {
    const { client, clock, namespace, identity, gateway, node, log } = this.#options;
    const owner = this.#sync.gateway;
    await heartbeat(client, {
      ...(owner === undefined ? {} : { owner: ownerReferenceOf(owner) }),
      name: gatewayNodeName(gateway, node),
      namespace,
      labels: { [GATEWAY_LABEL]: gateway },
      identity,
      fieldManager: AGENT_MANAGER,
      clock,
      signal,
      onFailure: (error) => log.warn({ error }, 'Lease not renewed'),
    });
  }

  #status(before: MeshGatewayNodeStatus | undefined): MeshGatewayNodeStatus | undefined {
    const { gateway, facts, state, appliedResourceVersion, observedPeers, table } = this.#sync;
    if (gateway === undefined || this.#cleaned) return undefined;
    const now = this.#options.clock.now();
    const plan = this.#sync.topology();
    const { unended } = this.#sync;
    const isLeaving = gateway.metadata.deletionTimestamp !== undefined;
    const findings = {
      gateway: isLeaving ? gateway : (plan?.gateway ?? gateway),
      hasPlan: plan !== undefined,
      facts,
      state,
      failure: this.#failure,
      contested: this.#repairs.contested,
      unended: unended === undefined ? undefined : failureOf(unended).message,
      probe: this.#probing.verdict,
      foreign: this.#foreign.found,
      unanswered: this.#sync.nextKeyProblem ?? this.#configurations.problem,
      appliedResourceVersion,
      peers: table.memberCount,
      withoutPresharedKey: [...this.#sync.withoutPresharedKey()],
      otherKey: this.#sync.otherKey,
      tracking: this.#tracking.standing,
      cutGrants: this.#sync.cutGrants,
      connections: liveSessions(observedPeers.values(), table, before?.connections ?? [], now, {
        isShared: (peer) => this.#takeover.isShared(peer),
        isReleased: (peer) => this.#releasing.isReleased(peer),
      }),
      liveness: this.#takeover.liveness(before?.liveness),
    };
    return judgeNode(findings, before, now);
  }

  #logOperation(operation: Operation): void {
    this.#options.log.info({ operation: describeOperation(operation) }, 'apply');
  }
}

function boundsOf(topology: Topology | undefined): TrackingBounds | undefined {
  return topology && { pool: topology.pool, limit: topology.gateway.spec.access.maxConnections };
}

/** What of a gateway decides about its nodes; the counts in its status change with every peer. */
function forNode({ spec, status, metadata }: MeshGateway): unknown {
  const { publicKey, keys, addresses, pool, serviceCIDRs, dns } = status ?? {};
  const accepted = isTrue(status?.conditions ?? [], 'Accepted');
  const judged = [spec, accepted, status?.observedGeneration];
  const served = keys?.map((key) => [key.publicKey, key.state, key.slot, key.newer]);
  return [judged, publicKey, served, addresses, pool, serviceCIDRs, dns, metadata.deletionTimestamp, metadata.uid];
}
