import { isDeepStrictEqual } from 'node:util';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { LocalFacts } from '../dataplane/local-facts.ts';
import { afterChanges } from '../dataplane/nftables/diff.ts';
import type { Names, NodePlan, NodeState } from '../dataplane/node-plan.ts';
import { diff, diffTable, type Operation } from '../dataplane/operation.ts';
import { diffRoutes, routeSteps } from '../dataplane/routes/diff.ts';
import type { WantedPeer } from '../dataplane/wireguard/device.ts';
import type { Host } from '../host/host.ts';
import type { Change, Store } from '../k8s/store.ts';
import { grantNeed } from '../mesh/access/grant-need.ts';
import type { AnyAccess } from '../mesh/access/resolve.ts';
import { accessGateway } from '../mesh/access/world.ts';
import { ARRIVAL_SETS, arrivalIn } from '../mesh/arrivals.ts';
import { nodeNames, planNode, probePeer } from '../mesh/node.ts';
import { PeerTable } from '../mesh/peer-table.ts';
import { routes } from '../mesh/routes.ts';
import type { SeenPeer } from '../mesh/sessions.ts';
import type { Topology } from '../mesh/topology.ts';
import type { IpAddress } from '../net/address.ts';
import { cidrBase } from '../net/cidr.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { PublicKey } from '../net/key.ts';
import type { Clock } from '../runtime/clock.ts';
import { afterCall, CALLS_PAUSE_MS, type Call, callGroups, callSteps, forgetSteps } from './calling.ts';
import { EndingFlows } from './ending-flows.ts';
import type { GrantedAccess } from './granted-access.ts';
import { JudgedGateways } from './judged-gateways.ts';
import { clearNode } from './leave.ts';
import { NextKey } from './next-key.ts';
import { SeenInterfaces } from './seen-interfaces.ts';
import { NewHandshakes, servesTwo, type Twofold } from './two-keys.ts';
import { ungranted } from './ungranted.ts';

export interface NodeSyncOptions {
  readonly gateway: string;
  /** All of them, because a device's configuration names each that lets it in. */
  readonly gateways: Store<MeshGateway>;
  readonly peers: Store<MeshPeer>;
  readonly access: Pick<GrantedAccess, 'isKnown' | 'granted' | 'ended'>;
  readonly host: Host;
  readonly clock: Clock;
  readonly probeKey: PublicKey;
  /** Addresses of devices that have as many connections open as they may. */
  readonly full?: (() => Iterable<IpAddress>) | undefined;
  /** Called for every step before it is done. */
  readonly onOperation: (operation: Operation) => void;
  /** Called for every step after it is done. */
  readonly onApplied?: (operation: Operation, seconds: number) => void;
  /** Called when connections that are let in no more could not be ended, and with undefined when they could again. */
  readonly onUnended?: (error: unknown) => void;
}

/** What one turn did. */
export interface Turn {
  readonly operations: readonly Operation[];
  /** Whether the steps mended what somebody else had changed, and did not follow a change of the resources. */
  readonly mended: boolean;
}

const NOTHING: Turn = { operations: [], mended: false };

/**
 * Keeps one node where its gateway's resources say it should be.
 *
 * Three ways of looking, from dear to cheap: `syncAll` observes everything; `syncPeers` dumps the interface's peers;
 * `syncTouched` trusts what was last seen and costs one command for one changed peer, however many peers there are. Each ends
 * with the same state of the kernel, so any of them may be left out or repeated. Callers run one at a time, and after one that
 * threw the next is `syncAll`.
 */
export class NodeSync {
  /** The interfaces in their present roles; both names stay the same. */
  names: Names;
  readonly table: PeerTable;
  readonly judged: JudgedGateways;
  facts: LocalFacts | undefined;
  state: NodeState | undefined;
  /** Grants of which the node leaves something out because there are too many; undefined before the first plan, and where they decide nothing. */
  cutGrants: readonly AnyAccess[] | undefined;
  /** Every MeshPeer as of this version of the collection is in the interface; undefined before the first time. */
  appliedResourceVersion: string | undefined;
  /** Of which generation of the gateway's spec the node holds what follows from it; undefined before the first time. */
  appliedGeneration: number | undefined;
  /** Why connections that are let in no more go on; undefined while none do. It is tried again beside the turns. */
  unended: unknown;
  readonly #options: NodeSyncOptions;
  readonly #touched = new Set<PublicKey>();
  readonly #interfaces = new SeenInterfaces();
  #twofold: Twofold | undefined;
  readonly #handshakes = new NewHandshakes();
  readonly #next: NextKey;
  readonly #ending: EndingFlows;
  #askers: ReadonlySet<PublicKey> = new Set();
  #hasNewKeys = true;
  #hasNewGrants = true;
  /** How many grants had ended by themselves when they were last looked at. */
  #ended = 0;
  /** The last plan that was carried out whole, peers aside: what differs from it again was changed by another hand. */
  #carriedOut: string | undefined;
  /** Whether what was open before has been compared with the rules since this agent began, and since what needs a grant was another. */
  #hasCompared = false;
  /** Whether the last look at everything changed nothing, because not everything that grants access had been seen. */
  #isPutOff = false;

  constructor(options: NodeSyncOptions) {
    this.#options = options;
    this.#next = new NextKey(options.clock);
    this.#ending = new EndingFlows({
      host: {
        observeFlows: (sources) => options.host.observeFlows(sources),
        apply: (step) => this.#apply(step),
      },
      clock: options.clock,
      onProblem: (error) => {
        this.unended = error;
        options.onUnended?.(error);
      },
    });
    this.names = nodeNames(options.gateway);
    this.table = new PeerTable(options.gateway);
    this.judged = new JudgedGateways(options.gateways);
  }

  /** The gateway as the API server last told it. */
  get gateway(): MeshGateway | undefined {
    return this.#options.gateways.get(this.#options.gateway as ObjectKey);
  }

  /** What the operator last decided about the gateway; undefined when it refused it, or has decided nothing since this agent started. */
  topology(): Topology | undefined {
    return this.judged.topology(this.#options.gateway);
  }

  get hasTouched(): boolean {
    return this.#touched.size > 0 || this.#hasNewGrants;
  }

  /** Whether the node stays as it is but for who is revoked, because not everything that grants access has been seen yet. */
  get waitsForGrants(): boolean {
    const current = this.topology();
    return current !== undefined && !this.#options.access.isKnown(accessGateway(current));
  }

  /** Whether everything that grants access has been seen since a look at everything ended without it: only another such look brings the node there. */
  get isOverdue(): boolean {
    return this.#isPutOff && !this.waitsForGrants;
  }

  /** Says that what is granted, or who has too many connections open, may have changed; the next sync carries it out. */
  grantsChanged(): void {
    this.#hasNewGrants = true;
  }

  /** Peers whose present preshared key is not in the interface: they are not let in, or still by the one before. */
  *withoutPresharedKey(): Iterable<ObjectKey> {
    for (const { key, member, fingerprint } of this.table.keyedMembers()) {
      const has = (publicKey: PublicKey) =>
        fingerprint !== undefined && this.#interfaces.hasPresharedKey(publicKey, fingerprint);
      if (!member.publicKeys.every(has)) yield key;
    }
  }

  /** Other preshared keys have reached the node; the next sync takes them in. */
  presharedKeysChanged(): void {
    this.#hasNewKeys = true;
  }

  /** The peers as last seen, each by the key of which its last handshake was. */
  get observedPeers(): ReadonlyMap<PublicKey, SeenPeer> {
    return this.#interfaces.peers;
  }

  /** Why the gateway's next key is not served here, if it is not. */
  get nextKeyProblem(): string | undefined {
    return this.#next.problem;
  }

  get isTwofold(): boolean {
    return this.#twofold !== undefined;
  }

  /** The other key that this node serves, beside the one that devices are told. */
  get otherKey(): PublicKey | undefined {
    return this.#twofold === undefined ? undefined : this.state?.other?.device.publicKey;
  }

  /** Takes a peer's change in; the next sync carries it out. */
  takePeer({ key, before, after }: Change<MeshPeer>): void {
    this.#touch(this.table.set(key, after, this.#options.clock.now()));
    if (!isDeepStrictEqual(before && wornBy(before), after && wornBy(after))) this.#hasNewGrants = true;
  }

  /**
   * Takes out whoever has expired, and what is granted no more; the next sync carries it out. Whoever looks anew asks too: no timer notices a
   * clock that was set. Says whether there was anything.
   */
  takeExpiry(now: number): boolean {
    const expired = this.table.expire(now);
    this.#touch(expired);
    const ended = this.#options.access.ended(now);
    const hasEnded = ended !== this.#ended;
    if (hasEnded) this.#hasNewGrants = true;
    this.#ended = ended;
    return hasEnded || expired.size > 0;
  }

  /** Observes everything and mends whatever differs. */
  async syncAll(): Promise<Turn> {
    const { host, gateway } = this.#options;
    const current = this.topology();
    this.names = nodeNames(gateway, current?.device ?? this.names.device);
    const { facts, state } = await host.observe(this.names);
    this.facts = facts;
    this.#see(state);
    this.presharedKeysChanged();
    await this.#takePresharedKeys();
    this.takeExpiry(this.#options.clock.now());
    this.#takeHandshakes();
    if (current === undefined) return this.syncRevoked();
    this.table.pin(probePeer(this.#options.probeKey, current.pool));
    this.#isPutOff = this.waitsForGrants;
    if (this.#isPutOff) return this.syncRevoked();
    const version = this.#options.peers.lastResourceVersion;
    const hadTouched = this.hasTouched;
    this.#twofold = this.#next.mayTry(current)
      ? await servesTwo(current, { facts, state, table: this.table, host })
      : undefined;
    const wanted = this.#plan(current, facts);
    const steps = diff(wanted, state);
    this.#touched.clear();
    this.#hasNewGrants = false;
    const refused = await this.#next.attempt(current, () => this.#carryOut(steps));
    if (refused) this.#twofold = undefined;
    if (steps.length > 0) await this.#lookAgain();
    const plan = refused ? this.#plan(current, facts) : wanted;
    const operations = refused ? [...steps, ...diff(plan, this.state ?? state)] : steps;
    if (refused) {
      await this.#carryOut(operations.slice(steps.length));
      await this.#lookAgain();
    }
    // An agent that was killed may have left open what it was about to end.
    this.#compareOnce();
    const isChanged = operations.length > 0 && !hadTouched && !refused;
    const mended = isChanged && this.#carriedOut === fixedPart(plan);
    this.#carriedOut = fixedPart(plan);
    this.appliedResourceVersion = version;
    this.appliedGeneration = current.gateway.metadata.generation;
    this.#ending.begin();
    return { operations, mended };
  }

  /** Looks at the interface's peers, and does nothing about what it finds. */
  async seePeers(): Promise<void> {
    await this.#interfaces.look(this.#options.host);
  }

  /** Looks at the interface's peers alone, for handshakes and for changes by another hand. */
  async syncPeers(): Promise<Turn> {
    if (this.state?.device === undefined) return NOTHING;
    await this.#takePresharedKeys();
    await this.seePeers();
    await this.#followHandshakes();
    this.takeExpiry(this.#options.clock.now());
    this.#takeHandshakes();
    const hadTouched = this.hasTouched;
    const granted = await this.#syncGrants();
    const { operations } = await this.#syncKeys(new Set([...this.table.wanted.keys(), ...this.#interfaces.keys()]));
    return { operations: [...granted, ...operations], mended: operations.length > 0 && !hadTouched };
  }

  /** Carries out what changed among the peers since the last sync. */
  async syncTouched(): Promise<Turn> {
    if (this.state?.device === undefined) return NOTHING;
    await this.#takePresharedKeys();
    const granted = await this.#syncGrants();
    const { operations, mended } = await this.#syncKeys(new Set(this.#touched));
    return { operations: [...granted, ...operations], mended };
  }

  /** Other nodes that ask this one whether it lives, by their keys; the next sync lets them ask. */
  takeAskers(keys: ReadonlySet<PublicKey>): void {
    for (const key of this.#askers) if (!keys.has(key)) this.#touch(this.table.unpin(key));
    for (const publicKey of keys) this.#touch(this.table.pin({ publicKey, allowedIPs: [] }));
    this.#askers = keys;
  }

  /** Sends devices an empty packet, by which they learn that this node is their gateway. Whoever is not let in is left out. */
  async callPeers(calls: readonly Call[]): Promise<void> {
    const { clock } = this.#options;
    for (const [index, group] of callGroups(calls).entries()) {
      if (index > 0) await new Promise<void>((resolve) => clock.timer(CALLS_PAUSE_MS, resolve));
      const steps = callSteps(group, this.#interfaces.all, this.table.wanted);
      await this.#carryOut(steps);
      for (const step of steps) afterCall(step, this.#interfaces.all);
    }
  }

  /** Ends these devices' sessions on this node: they have gone to another one, and what is sent them from here would draw them back. */
  async forgetSessions(keys: Iterable<PublicKey>): Promise<void> {
    const steps = forgetSteps(keys, this.#interfaces.all, this.table.wanted);
    await this.#carryOut(steps);
    for (const step of steps) afterCall(step, this.#interfaces.all);
  }

  /** Forgets that this node sent something to these endpoints before anything came from there. */
  async forgetCalls(endpoints: readonly Endpoint[]): Promise<void> {
    if (endpoints.length === 0) return;
    const { device, other } = this.state ?? {};
    const ports = [device, other?.device].flatMap((one) => one?.listenPort ?? []);
    await this.#carryOut([{ kind: 'forget-calls', endpoints, ports }]);
  }

  /** Puts out who is revoked, and takes away what is granted no more, and changes nothing else: for as long as anything else fails. */
  syncRevoked(): Promise<Turn> {
    return this.#revoke([...this.#interfaces.keys()]);
  }

  /** Leads the answers of those who have come by the other interface there; does nothing while there is one alone. */
  async syncArrivals(): Promise<Turn> {
    const { state } = this;
    const twofold = this.#twofold;
    if (twofold === undefined || state === undefined) return NOTHING;
    // Who is revoked waits for nothing: not for ten thousand routes, and not for anything that fails.
    if (this.#touched.size > 0) await this.#putOut(this.#interfaces.keys());
    const elements = await this.#options.host.takeElements(this.names.table, ARRIVAL_SETS);
    for (const { address, device } of elements.flatMap((element) => arrivalIn(element) ?? [])) {
      for (const cidr of this.table.memberAt(cidrBase(address))?.addresses ?? []) {
        if (device === twofold.newer) twofold.moved.add(cidr);
        else twofold.moved.delete(cidr);
      }
    }
    return elements.length === 0 ? NOTHING : this.#lead(twofold, state);
  }

  /** A device that only waits for an answer sends nothing by which it would be noticed, but it has shaken hands. */
  async #followHandshakes(): Promise<void> {
    const { state } = this;
    const twofold = this.#twofold;
    const shaken = this.#handshakes.take(twofold === undefined ? [] : this.#interfaces.all);
    if (twofold === undefined || state === undefined || shaken.length === 0) return;
    for (const { key, name } of shaken) {
      for (const cidr of this.table.memberWith(key)?.addresses ?? []) {
        if (name === twofold.newer) twofold.moved.add(cidr);
        else twofold.moved.delete(cidr);
      }
    }
    await this.#lead(twofold, state);
  }

  async #lead(twofold: Twofold, state: NodeState): Promise<Turn> {
    const wanted = routes(twofold);
    const operations = routeSteps(diffRoutes(wanted, state.routes));
    await this.#carryOut(operations);
    this.state = { ...state, routes: wanted };
    return { operations, mended: false };
  }

  /** Takes everything of the gateway off the node. */
  async cleanUp(): Promise<void> {
    this.#ending.clear();
    this.unended = undefined;
    await clearNode(this.#options.host, this.names, this.#options.onOperation);
    this.state = undefined;
    this.#interfaces.take(undefined);
    this.#twofold = undefined;
    this.appliedResourceVersion = undefined;
    this.appliedGeneration = undefined;
  }

  /** Leaves no timer behind; the node stays as it is. */
  close(): void {
    this.#ending.close();
  }

  /** A device that has two keys has its addresses with the one that it uses. */
  #takeHandshakes(): void {
    for (const publicKey of this.table.see(this.observedPeers)) this.#touched.add(publicKey);
  }

  #see(state: NodeState): void {
    this.state = state;
    this.#interfaces.take(state);
  }

  async #takePresharedKeys(): Promise<void> {
    if (!this.#hasNewKeys) return;
    this.#hasNewKeys = false;
    this.#touch(this.table.mount(await this.#options.host.presharedKeys()));
  }

  #touch(keys: Iterable<PublicKey>): void {
    for (const publicKey of keys) {
      this.#touched.add(publicKey);
      this.#hasNewGrants = true;
    }
  }

  #plan(topology: Topology, facts: LocalFacts): NodePlan {
    const granted = this.#options.access.granted(accessGateway(topology), this.table, this.#options.clock.now());
    const plan = planNode(topology, {
      facts,
      peers: this.table.wanted,
      granted,
      full: this.#options.full?.(),
      other: this.#twofold,
    });
    if (this.#ending.follow(plan.ruleset, grantNeed(topology))) this.#hasCompared = false;
    this.cutGrants = topology.gateway.spec.access.default === 'Allow' ? undefined : (granted.cut ?? []);
    return plan;
  }

  /**
   * Carries out what changed among the grants, trusting what was last seen of the table: one transaction of the elements that
   * changed. Before the peers, so that nobody who gets an address finds the grants of whoever had it.
   */
  async #syncGrants(): Promise<readonly Operation[]> {
    const { facts, state } = this;
    const current = this.topology();
    if (!this.#hasNewGrants || current === undefined || facts === undefined || state?.ruleset === undefined) return [];
    if (this.waitsForGrants) return [];
    this.#hasNewGrants = false;
    const plan = this.#plan(current, facts);
    const operations = diffTable(plan.ruleset, state);
    const changes = operations.flatMap((step) => (step.kind === 'change-elements' ? step.changes : []));
    // Another kind of table is for a look at everything, which whatever made it so has wished for.
    if (changes.length === 0) return [];
    try {
      await this.#carryOut(operations);
    } catch (error) {
      // Who is revoked goes out whatever else fails.
      await this.syncRevoked();
      throw error;
    }
    this.state = { ...state, ruleset: afterChanges(state.ruleset, changes) };
    this.#carriedOut = fixedPart(plan);
    if (this.appliedResourceVersion !== undefined) this.#compareOnce();
    return operations;
  }

  /** Once the rules are in place. */
  #compareOnce(): void {
    if (!this.#hasCompared) this.#ending.compare();
    this.#hasCompared = true;
  }

  async #syncKeys(keys: ReadonlySet<PublicKey>): Promise<Turn> {
    if (this.topology() === undefined || this.waitsForGrants) return this.#revoke(keys);
    const version = this.#options.peers.lastResourceVersion;
    const operations = await this.#carryOutPeers(this.table.wanted, keys);
    this.appliedResourceVersion = version;
    this.#ending.begin();
    return { operations, mended: false };
  }

  /**
   * Without an accepted gateway there is no plan, and the node stays as it is; but who is revoked must be out all the same, and so must
   * what is granted no more.
   */
  async #revoke(keys: Iterable<PublicKey>): Promise<Turn> {
    const operations = await this.#putOut(keys);
    const ungranted = await this.#ungrant();
    this.#ending.begin();
    return { operations: [...operations, ...ungranted], mended: false };
  }

  /** Puts out those with these keys who are not let in any more. */
  #putOut(keys: Iterable<PublicKey>): Promise<readonly Operation[]> {
    const revoked = new Set([...keys].filter((key) => key !== this.#options.probeKey && !this.table.wanted.has(key)));
    return this.#carryOutPeers(new Map(), revoked);
  }

  /** Takes out of the table what no grant opens any more, wherever the gateway leads. */
  async #ungrant(): Promise<readonly Operation[]> {
    const { state, table } = this;
    const { clock, ...options } = this.#options;
    if (!this.#hasNewGrants || state?.ruleset === undefined) return [];
    // What changes from here on, the next look takes up.
    this.#hasNewGrants = false;
    let isDone = false;
    try {
      const found = ungranted(state.ruleset, { ...options, table, now: clock.now() });
      if (found === undefined) return [];
      if (found.changes.length > 0) {
        this.#ending.followGrants(found);
        await this.#carryOut(found.operations);
        this.state = { ...state, ruleset: afterChanges(state.ruleset, found.changes) };
      }
      isDone = true;
      return found.operations;
    } finally {
      if (!isDone) this.#hasNewGrants = true;
    }
  }

  async #carryOutPeers(
    peers: ReadonlyMap<PublicKey, WantedPeer>,
    keys: ReadonlySet<PublicKey>,
  ): Promise<readonly Operation[]> {
    const { operations, done } = this.#interfaces.stepsTo(peers, keys);
    for (const key of keys) this.#touched.delete(key);
    await this.#carryOut(operations);
    done();
    return operations;
  }

  async #carryOut(operations: readonly Operation[]): Promise<void> {
    for (const operation of operations) {
      if (operation.kind === 'end-flows') {
        this.#ending.add(operation);
        continue;
      }
      this.#next.doing = operation;
      try {
        await this.#apply(operation);
      } finally {
        // What was let in without an element, as by default, has none that leaves; and it may be in place though the step failed.
        if (operation.kind === 'replace-table') this.#ending.compare();
      }
    }
  }

  async #apply(operation: Operation): Promise<void> {
    const { host, clock, onOperation, onApplied } = this.#options;
    onOperation(operation);
    const began = clock.monotonic();
    await host.apply(operation);
    onApplied?.(operation, (clock.monotonic() - began) / 1_000);
  }

  async #lookAgain(): Promise<void> {
    const { state } = await this.#options.host.observe(this.names);
    this.#see(state);
  }
}

/** What of a peer grants ask for, besides whether it is let in. */
function wornBy({ metadata, spec }: MeshPeer): unknown {
  return [metadata.labels, spec.owner, spec.groups];
}

/** A plan without its peers, which follow the resources from moment to moment. */
function fixedPart({ device, other, ruleset, routes }: NodePlan): string {
  return JSON.stringify({ device: { ...device, peers: [] }, other: { ...other, peers: [] }, ruleset, routes });
}
