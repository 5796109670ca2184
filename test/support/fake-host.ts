import { isDeepStrictEqual } from 'node:util';
import type { ConnectionTracking, TrackedSource } from '../../src/dataplane/connection-tracking.ts';
import type { LocalFacts } from '../../src/dataplane/local-facts.ts';
import type { Counted, CountedElement, HalvedSets } from '../../src/dataplane/nftables/counted.ts';
import { type ForeignRuleset, NO_FOREIGN_RULES } from '../../src/dataplane/nftables/foreign.ts';
import { structureDigest } from '../../src/dataplane/nftables/render.ts';
import type { ElementChange, Flow, ObservedRuleset } from '../../src/dataplane/nftables/ruleset.ts';
import type { ToldPacket } from '../../src/dataplane/nftables/told-packet.ts';
import type { Names, NodeState } from '../../src/dataplane/node-plan.ts';
import type { Operation } from '../../src/dataplane/operation.ts';
import type { RouteChange } from '../../src/dataplane/routes/diff.ts';
import { sameRoute } from '../../src/dataplane/routes/route.ts';
import type { ObservedDevice, ObservedPeer } from '../../src/dataplane/wireguard/device.ts';
import type { PeerChange } from '../../src/dataplane/wireguard/peer-change.ts';
import type { OnDrift, OnTold } from '../../src/host/drift.ts';
import type { Host, Observation } from '../../src/host/host.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { type Cidr, cidrContains } from '../../src/net/cidr.ts';
import type { PublicKey } from '../../src/net/key.ts';

/** A node on which nothing of ours is, forwarding included. */
export const BARE_NODE: NodeState = {
  routes: [],
  sysctls: { forwarding4: false, forwarding6: false, turnedOn: [] },
};

export const FACTS: LocalFacts = {
  node: 'node-a',
  underlayMtu: 1500,
  proxyMode: 'nftables',
  ipv6: true,
  bootId: 'boot-1',
};

/** A node in memory, with one gateway's names on it. The contract of a Host holds for it as for the real one. */
export class FakeHost implements Host {
  facts: LocalFacts = FACTS;
  state: NodeState;
  /** What other programs filter. */
  foreign: ForeignRuleset = NO_FOREIGN_RULES;
  /** How full connection tracking is, and by whose entries. */
  tracking: ConnectionTracking | undefined = { entries: 40, most: 131_072 };
  tracked: ReadonlyMap<IpAddress, TrackedSource> = new Map();
  /** How often it was walked through. */
  trackingWalks = 0;
  /** The private keys that the kubelet brought, by their public halves; undefined for whichever is asked for. */
  privateKeys: ReadonlySet<PublicKey> | undefined;
  /** What the firewall has noted of those who came by another interface. */
  arrivals: readonly string[] = [];
  /** What the first counters of chains have counted. */
  readonly counters = new Map<string, Counted>();
  /** How often one of them was asked for. */
  counterLooks = 0;
  /** What rules have put into sets, with its counters. */
  counted: readonly CountedElement[] = [];
  /** How often everything was looked at. */
  observations = 0;
  /** Every operation that was asked for, in order. */
  readonly applied: Operation[] = [];
  /** Prefixes whose connections were ended. */
  readonly forgotten: Cidr[] = [];
  /** Connections that were ended because nothing lets them in any more. */
  readonly ended: Flow[] = [];
  /** Connections that are open. */
  open: readonly Flow[] = [];
  /** What the next look at them fails with. */
  blindness: Error | undefined;
  /** How often they were looked at. */
  flowLooks = 0;
  /** What the next operations of a kind fail with. */
  readonly failures = new Map<Operation['kind'], Error>();
  readonly #watchers = new Set<OnDrift>();
  readonly #hearers = new Set<OnTold>();
  readonly #keyWatchers = new Set<() => void>();
  readonly #privateKeyWatchers = new Set<() => void>();
  #presharedKeys: ReadonlyMap<string, string> = new Map();

  constructor(state: NodeState = BARE_NODE) {
    this.state = state;
  }

  async observe(names: Names): Promise<Observation> {
    this.observations += 1;
    this.state = arranged(this.state, names);
    return { facts: this.facts, state: this.state };
  }

  async observePeers(device: string): Promise<ReadonlyMap<PublicKey, ObservedPeer>> {
    const { device: own, other } = this.state;
    return [own, other?.device].find((one) => one?.name === device)?.peers ?? new Map();
  }

  async observeForeignRules(_names: Names): Promise<ForeignRuleset> {
    return this.foreign;
  }

  async observeTracking(): Promise<ConnectionTracking | undefined> {
    return this.tracking;
  }

  async trackedBySource(_sources: readonly Cidr[]): Promise<ReadonlyMap<IpAddress, TrackedSource>> {
    this.trackingWalks += 1;
    return this.tracked;
  }

  async apply(operation: Operation): Promise<void> {
    const failure = this.failures.get(operation.kind);
    if (failure !== undefined) throw failure;
    this.applied.push(operation);
    if (operation.kind === 'forget-flows') this.forgotten.push(...operation.sources);
    if (operation.kind === 'end-flows') {
      this.ended.push(...operation.flows);
      this.open = this.open.filter((flow) => !operation.flows.some((ended) => endsFlow(ended, flow)));
    }
    this.state = afterOperation(this.state, operation);
  }

  async presharedKeys(): Promise<ReadonlyMap<string, string>> {
    return this.#presharedKeys;
  }

  watchPresharedKeys(signal: AbortSignal, onChange: () => void): void {
    this.#keyWatchers.add(onChange);
    signal.addEventListener('abort', () => this.#keyWatchers.delete(onChange), { once: true });
  }

  async hasPrivateKey(publicKey: PublicKey): Promise<boolean> {
    return this.privateKeys?.has(publicKey) ?? true;
  }

  watchPrivateKeys(signal: AbortSignal, onChange: () => void): void {
    this.#privateKeyWatchers.add(onChange);
    signal.addEventListener('abort', () => this.#privateKeyWatchers.delete(onChange), { once: true });
  }

  /** The kubelet brings other private keys. */
  bringPrivateKeys(keys: readonly PublicKey[]): void {
    this.privateKeys = new Set(keys);
    for (const onChange of this.#privateKeyWatchers) onChange();
  }

  async takeElements(_table: string, sets: readonly string[]): Promise<readonly string[]> {
    const found = this.state.ruleset === undefined || sets.length === 0 ? [] : this.arrivals;
    this.arrivals = [];
    return found;
  }

  async countedBy(_table: string, chain: string): Promise<Counted | undefined> {
    this.counterLooks += 1;
    return this.state.ruleset === undefined ? undefined : (this.counters.get(chain) ?? { packets: 0, bytes: 0 });
  }

  async takeCounted(_table: string, sets: readonly string[]): Promise<readonly CountedElement[]> {
    const found = this.counted.filter(({ set }) => sets.includes(set));
    this.counted = this.counted.filter(({ set }) => !sets.includes(set));
    return this.state.ruleset === undefined ? [] : found;
  }

  async takeHalf(table: string, { halves }: HalvedSets): Promise<readonly CountedElement[]> {
    return this.takeCounted(table, halves.flat());
  }

  async observeFlows(sources: readonly Cidr[]): Promise<readonly Flow[]> {
    this.flowLooks += 1;
    if (this.blindness !== undefined) throw this.blindness;
    return this.open.filter(({ source }) => sources.some((cidr) => cidrContains(cidr, source as IpAddress)));
  }

  /** The kubelet brings other files; a fake fingerprint is the key itself. */
  bringPresharedKeys(keys: ReadonlyMap<string, string>): void {
    this.#presharedKeys = keys;
    for (const onChange of this.#keyWatchers) onChange();
  }

  watchDrift(_names: Names, signal: AbortSignal, onDrift: OnDrift, onTold: OnTold = () => undefined): void {
    this.#watchers.add(onDrift);
    this.#hearers.add(onTold);
    const stop = () => {
      this.#watchers.delete(onDrift);
      this.#hearers.delete(onTold);
    };
    signal.addEventListener('abort', stop, { once: true });
  }

  /** A rule tells of a packet. */
  tell(packet: ToldPacket): void {
    for (const onTold of this.#hearers) onTold(packet);
  }

  /** Somebody else changes the node, and it is announced. */
  drift(what: string, change: (state: NodeState) => NodeState, by?: string): void {
    this.state = change(this.state);
    for (const onDrift of this.#watchers) onDrift(what, by);
  }

  /** A peer is seen to have had a handshake. */
  handshake(publicKey: PublicKey, seen: Partial<ObservedPeer>, at = this.state.device?.name ?? ''): void {
    this.state = withDevice(this.state, at, (device) => {
      const peer = device.peers.get(publicKey);
      return peer === undefined
        ? device
        : { ...device, peers: new Map(device.peers).set(publicKey, { ...peer, ...seen }) };
    });
  }
}

/** What an operation makes of a node. */
export function afterOperation(state: NodeState, step: Operation): NodeState {
  switch (step.kind) {
    case 'replace-table':
    case 'change-elements':
    case 'delete-table':
      return { ...state, ruleset: afterTableStep(state.ruleset, step) };
    case 'create-link':
      return isThere(state, step.device) ? state : created(state, step.device, step.dataplane);
    case 'delete-link':
      return deleted({ ...state, routes: state.routes.filter((route) => route.device !== step.device) }, step.device);
    case 'set-rp-filter':
      return state.other?.device.name === step.device
        ? { ...state, other: { ...state.other, rpFilter: step.value } }
        : { ...state, sysctls: { ...state.sysctls, rpFilter: step.value } };
    case 'turn-on-forwarding':
    case 'restore-forwarding':
      return afterForwardingStep(state, step);
    case 'add-route':
      return { ...state, routes: [...withoutRoute(state, step.route), step.route] };
    case 'move-route':
      return { ...state, routes: [...withoutDestination(state, step.route), step.route] };
    case 'remove-route':
      return { ...state, routes: withoutRoute(state, step.route) };
    case 'change-routes':
      return { ...state, routes: afterChanges(state.routes, step.changes) };
    case 'forget-flows':
    case 'forget-calls':
    case 'end-flows':
      return state;
    case 'remove-address':
      return withoutLostRoutes(
        state,
        withDevice(state, step.device, (device) => afterDeviceStep(device, step)),
        step.device,
      );
    default:
      return withDevice(state, step.device, (device) => afterDeviceStep(device, step));
  }
}

function afterChanges(routes: NodeState['routes'], changes: readonly RouteChange[]): NodeState['routes'] {
  const all = new Map(routes.map((route) => [route.destination, route]));
  for (const { kind, route } of changes) {
    if (kind !== 'remove-route') all.set(route.destination, route);
    else if (all.get(route.destination)?.device === route.device) all.delete(route.destination);
  }
  return [...all.values()];
}

/** The state as a look under these names tells it. */
export function arranged(state: NodeState, names: Names): NodeState {
  const { device, other, sysctls, ...rest } = state;
  const { rpFilter, ...switches } = sysctls;
  const found = [device && { device, rpFilter }, other].filter((one) => one !== undefined);
  const [own, second] = [names.device, names.other].map((name) => found.find((one) => one.device.name === name));
  return {
    ...rest,
    ...(own === undefined ? {} : { device: own.device }),
    ...(second === undefined ? {} : { other: second }),
    sysctls: { ...switches, ...(own === undefined ? {} : { rpFilter: own.rpFilter }) },
  };
}

function isThere({ device, other }: NodeState, name: string): boolean {
  return device?.name === name || other?.device.name === name;
}

function deleted(state: NodeState, name: string): NodeState {
  const { other, ...rest } = state;
  if (other?.device.name === name) return rest;
  if (state.device?.name !== name) return state;
  return { ...state, device: undefined, sysctls: { ...state.sysctls, rpFilter: undefined } };
}

/** With the last IPv4 address of an interface the kernel takes its IPv4 routes away (fib_disable_ip); with IPv6 it does not. */
function withoutLostRoutes(before: NodeState, after: NodeState, name: string): NodeState {
  const hasIpv4 = ({ device, other }: NodeState) =>
    [device, other?.device].find((one) => one?.name === name)?.addresses.some((address) => !address.includes(':'));
  if (hasIpv4(before) !== true || hasIpv4(after) === true) return after;
  return {
    ...after,
    routes: after.routes.filter(({ destination, device }) => device !== name || destination.includes(':')),
  };
}

type DeviceStep = Operation & {
  readonly kind: 'start-link' | 'set-device' | 'add-address' | 'remove-address' | 'set-link' | 'set-peers';
};

function afterDeviceStep(device: ObservedDevice, step: DeviceStep): ObservedDevice {
  switch (step.kind) {
    case 'start-link':
      return device.stopped === true ? { ...device, stopped: undefined, mtu: 1420 } : device;
    case 'set-device':
      return {
        ...device,
        publicKey: step.publicKey ?? device.publicKey,
        listenPort: step.listenPort ?? device.listenPort,
      };
    case 'add-address':
      return { ...device, addresses: [...new Set([...device.addresses, step.address])].sort() };
    case 'remove-address':
      return { ...device, addresses: device.addresses.filter((address) => address !== step.address) };
    case 'set-link':
      return { ...device, mtu: step.mtu ?? device.mtu, up: step.up ?? device.up };
    case 'set-peers':
      return { ...device, peers: step.changes.reduce(afterPeerChange, device.peers) };
  }
}

/** An address belongs to one peer of an interface: whoever gets it takes it from whoever has it. */
function afterPeerChange(
  peers: ReadonlyMap<PublicKey, ObservedPeer>,
  change: PeerChange,
): ReadonlyMap<PublicKey, ObservedPeer> {
  const next = new Map(peers);
  if (change.kind === 'remove') {
    next.delete(change.publicKey);
    return next;
  }
  if (change.kind === 'yield') return next;
  if (change.kind === 'call') return afterCall(next, change);
  const { publicKey, allowedIPs } = change;
  for (const [key, peer] of next)
    next.set(key, { ...peer, allowedIPs: peer.allowedIPs.filter((cidr) => !allowedIPs.includes(cidr)) });
  const unseen = { publicKey, allowedIPs, latestHandshake: 0, receivedBytes: 0, sentBytes: 0 };
  const known: ObservedPeer = next.get(publicKey) ?? unseen;
  const { presharedKey = known.presharedKey } = change;
  const keyed = typeof presharedKey === 'object' ? presharedKey.fingerprint : presharedKey;
  return next.set(publicKey, { ...known, presharedKey: keyed === 'none' ? undefined : keyed, allowedIPs });
}

/** Nobody answers here. */
function afterCall(
  peers: Map<PublicKey, ObservedPeer>,
  { publicKey, endpoint }: PeerChange & { readonly kind: 'call' },
): ReadonlyMap<PublicKey, ObservedPeer> {
  const unseen = { publicKey, allowedIPs: [], latestHandshake: 0, receivedBytes: 0, sentBytes: 0 };
  const known = peers.get(publicKey) ?? unseen;
  return peers.set(publicKey, { ...known, ...(endpoint === undefined ? {} : { endpoint }) });
}

function created(state: NodeState, name: string, dataplane: 'Auto' | 'Kernel' | 'Userspace'): NodeState {
  const device: ObservedDevice = {
    name,
    ifindex: 7,
    dataplane: dataplane === 'Userspace' ? 'Userspace' : 'Kernel',
    up: false,
    mtu: 1420,
    addresses: [],
    listenPort: 0,
    peers: new Map(),
  };
  if (state.device !== undefined) return { ...state, other: { device, rpFilter: 0 } };
  return { ...state, device, sysctls: { ...state.sysctls, rpFilter: 0 } };
}

function afterTableStep(
  table: ObservedRuleset | undefined,
  step: Operation & { readonly kind: 'replace-table' | 'change-elements' | 'delete-table' },
): ObservedRuleset | undefined {
  if (step.kind === 'delete-table') return undefined;
  if (step.kind === 'change-elements') return table && { ...table, elements: afterElements(table, step.changes) };
  return {
    table: step.ruleset.table,
    written: structureDigest(step.ruleset),
    intact: true,
    elements: new Map(step.ruleset.sets.map((set) => [set.name, set.elements])),
    turnedOn: step.turnedOn,
  };
}

function afterElements(table: ObservedRuleset, changes: readonly ElementChange[]): ObservedRuleset['elements'] {
  const elements = new Map(table.elements);
  for (const { set, added, removed } of changes) {
    const kept = (elements.get(set) ?? []).filter((element) => !removed.includes(element));
    elements.set(set, [...new Set([...kept, ...added])].sort());
  }
  return elements;
}

function afterForwardingStep(
  state: NodeState,
  step: Operation & { readonly kind: 'turn-on-forwarding' | 'restore-forwarding' },
): NodeState {
  const on = step.kind === 'turn-on-forwarding';
  const name = step.family === 4 ? 'forwarding4' : 'forwarding6';
  if (on && state.sysctls[name] !== false) return state;
  const others = state.sysctls.turnedOn.filter((family) => family !== step.family);
  const turnedOn = on ? [...others, step.family].sort() : others;
  return {
    ...state,
    ruleset: state.ruleset && { ...state.ruleset, turnedOn },
    sysctls: { ...state.sysctls, [name]: on, turnedOn },
  };
}

function withDevice(state: NodeState, name: string, change: (device: ObservedDevice) => ObservedDevice): NodeState {
  const { device, other } = state;
  if (device?.name === name) return { ...state, device: change(device) };
  return other?.device.name === name ? { ...state, other: { ...other, device: change(other.device) } } : state;
}

function withoutDestination(state: NodeState, route: NodeState['routes'][number]): NodeState['routes'] {
  return state.routes.filter(({ destination }) => destination !== route.destination);
}

function withoutRoute(state: NodeState, route: NodeState['routes'][number]): NodeState['routes'] {
  return state.routes.filter((other) => !sameRoute(route, other));
}

function endsFlow(ended: Flow, { source, destination, open }: Flow): boolean {
  const isOf = ended.source.includes('/')
    ? cidrContains(ended.source as Cidr, source as IpAddress)
    : ended.source === source;
  return isOf && ended.destination === destination && isDeepStrictEqual(ended.open, open);
}
