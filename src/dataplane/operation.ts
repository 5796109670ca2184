import type { Family } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { PublicKey } from '../net/key.ts';
import type { ProxyMode } from './local-facts.ts';
import { elementChanges, rulesetDifference } from './nftables/diff.ts';
import { endedFlows } from './nftables/ended-flows.ts';
import type { ElementChange, Flow, Ruleset } from './nftables/ruleset.ts';
import type { Names, NodePlan, NodeState, ObservedInterface } from './node-plan.ts';
import { diffRoutes, type RouteStep, routeSteps } from './routes/diff.ts';
import type { DataplaneChoice, ObservedDevice, ObservedPeer, WantedDevice } from './wireguard/device.ts';
import { lostSources, orderPeerChanges, type PeerChange, peerChange, withYields } from './wireguard/peer-change.ts';

export { describeOperation } from './describe.ts';

/** All that is ever done to a node. Each may be repeated, and what is already gone is no error. */
export type Operation =
  | { readonly kind: 'replace-table'; readonly ruleset: Ruleset; readonly turnedOn: readonly Family[] }
  | { readonly kind: 'change-elements'; readonly table: string; readonly changes: readonly ElementChange[] }
  | { readonly kind: 'create-link'; readonly device: string; readonly dataplane: DataplaneChoice }
  /** Starts wireguard-go on a userspace interface that outlived the last one. */
  | { readonly kind: 'start-link'; readonly device: string }
  | {
      readonly kind: 'set-device';
      readonly device: string;
      /** Present when the mounted private key, which must derive to it, is to be loaded. */
      readonly publicKey?: PublicKey | undefined;
      readonly listenPort?: number | undefined;
    }
  | { readonly kind: 'add-address' | 'remove-address'; readonly device: string; readonly address: Cidr }
  | { readonly kind: 'set-rp-filter'; readonly device: string; readonly value: number }
  | { readonly kind: 'set-link'; readonly device: string; readonly mtu?: number | undefined; readonly up?: true }
  /** Turns forwarding on and records in the table that it was off. */
  | { readonly kind: 'turn-on-forwarding'; readonly family: Family; readonly table: string }
  | { readonly kind: 'set-peers'; readonly device: string; readonly changes: readonly PeerChange[] }
  /** Ends the connections that came from these prefixes, which nobody may use any more. */
  | { readonly kind: 'forget-flows'; readonly sources: readonly Cidr[] }
  /**
   * Forgets that the node sent something to these endpoints from one of these ports before anything came from there, and what came from there since:
   * conntrack takes the next packet from there for a flow of its own, and leaves its source as it is.
   */
  | { readonly kind: 'forget-calls'; readonly endpoints: readonly Endpoint[]; readonly ports: readonly number[] }
  /** Ends the connections that were let in one by one and are not any more; those in `kept` go on. */
  | { readonly kind: 'end-flows'; readonly flows: readonly Flow[]; readonly kept: readonly Flow[] }
  | RouteStep
  | { readonly kind: 'delete-link'; readonly device: string }
  | { readonly kind: 'restore-forwarding'; readonly family: Family; readonly table: string }
  | { readonly kind: 'delete-table'; readonly table: string };

/** Loose: a strict filter drops every packet from the mesh where the route back does not use the interface. */
const LOOSE_RP_FILTER = 2;

/**
 * The steps from the observed state to the plan; none when nothing differs. The firewall stands before a packet can come
 * in, addresses before the routes that use them, and what must go goes in reverse order after all that comes.
 */
export function diff(plan: NodePlan, state: NodeState): readonly Operation[] {
  const { rpFilter } = state.sysctls;
  const own = adopt(plan.device, state.device && { device: state.device, rpFilter });
  const other = plan.other && withItsKey(adopt(plan.other, state.other));
  // An interface that is to go is guarded by the rules that are there, until it has gone.
  const leftover = plan.other === undefined ? state.other?.device : undefined;
  const isGuarded = leftover !== undefined && state.ruleset?.intact === true;
  const forwarding = forwardingSteps(plan, state);
  const turnedOn = isGuarded ? forwarding.map(({ family }) => family) : [];
  const table = diffTable(plan.ruleset, state, turnedOn);
  const lost = new Set([own, other].flatMap((one) => (one?.isForeign ? [one.wanted.name] : [])));
  const there = state.routes.filter(({ device }) => !own.isForeign || device !== own.wanted.name);
  const early = diffRoutes(plan.routes, there).filter(
    ({ kind, route }) => kind !== 'remove-route' && route.device === own.wanted.name,
  );
  const led = new Set(early.map(({ route }) => route.destination));
  const kept = there.filter(({ destination, device }) => !led.has(destination) && !lost.has(device));
  return [
    ...(isGuarded ? [] : table),
    ...interfaceSteps(own, forwarding),
    // Before anything happens to the other interface, which routes may have to leave.
    ...routeSteps(early),
    ...(other === undefined ? [] : interfaceSteps(other, [])),
    ...routeSteps(diffRoutes(plan.routes, [...kept, ...early.map(({ route }) => route)])),
    ...[own, other].flatMap((one) => (one === undefined ? [] : surplusAddresses(one))),
    ...(leftover === undefined ? [] : [{ kind: 'delete-link', device: leftover.name } as const]),
    ...(isGuarded ? table : []),
  ];
}

/**
 * The steps for the table alone. What is no longer let in is ended after the rules have changed, so that it cannot come back.
 * `turnedOn`: the forwarding that is turned on before it.
 */
export function diffTable(
  ruleset: Ruleset,
  state: Pick<NodeState, 'ruleset' | 'sysctls'>,
  turnedOn: readonly Family[] = [],
): readonly Operation[] {
  const difference = rulesetDifference(ruleset, state.ruleset);
  if (difference.kind === 'none') return [];
  const known = difference.kind === 'elements' ? difference.changes : undefined;
  const changes = known ?? (state.ruleset === undefined ? [] : elementChanges(ruleset, state.ruleset));
  const table: Operation =
    difference.kind === 'elements'
      ? { kind: 'change-elements', table: ruleset.table, changes }
      : { kind: 'replace-table', ruleset, turnedOn: [...new Set([...state.sysctls.turnedOn, ...turnedOn])].sort() };
  const ended = endedFlows(ruleset, changes);
  return ended.flows.length === 0 ? [table] : [table, { kind: 'end-flows', ...ended }];
}

/** The steps for the peers with these keys only; the cost grows with `touched`, not with the number of peers. */
export function diffPeers(
  wanted: Pick<WantedDevice, 'name' | 'peers'>,
  observed: ReadonlyMap<PublicKey, ObservedPeer>,
  touched: Iterable<PublicKey>,
): readonly Operation[] {
  const found: PeerChange[] = [];
  for (const key of new Set(touched)) {
    const change = peerChange(key, wanted.peers.get(key), observed.get(key));
    if (change !== undefined) found.push(change);
  }
  if (found.length === 0) return [];
  const changes = orderPeerChanges(withYields(found, wanted.peers));
  const sources = lostSources(changes, observed);
  const steps: Operation[] = [{ kind: 'set-peers', device: wanted.name, changes }];
  return sources.length === 0 ? steps : [...steps, { kind: 'forget-flows', sources }];
}

/**
 * The steps that take everything of ours off the node; the firewall, which also remembers what to restore, goes last. Forwarding
 * that we turned on stays on where a service proxy runs: by now the cluster's own network may live by it.
 */
export function cleanup(names: Names, state: NodeState, proxyMode: ProxyMode = 'unknown'): readonly Operation[] {
  const { table } = names;
  const devices = [state.device, state.other?.device].filter((device) => device !== undefined);
  const allowed = devices.flatMap(({ peers }) => [...peers.values()].flatMap((peer) => peer.allowedIPs));
  const sources = [...new Set(allowed)];
  const steps: Operation[] = [...routeSteps(diffRoutes([], state.routes))];
  for (const { name } of devices) steps.push({ kind: 'delete-link', device: name });
  if (sources.length > 0) steps.push({ kind: 'forget-flows', sources });
  const restored = proxyMode === 'unknown' ? state.sysctls.turnedOn : [];
  for (const family of restored) steps.push({ kind: 'restore-forwarding', family, table });
  if (state.ruleset !== undefined) steps.push({ kind: 'delete-table', table });
  return steps;
}

/** An interface as it should be, and what of it is there to go on with. */
interface Adopted extends Partial<ObservedInterface> {
  readonly wanted: WantedDevice;
  /** Whether what is there must go, because another WireGuard serves it than should. */
  readonly isForeign: boolean;
}

function adopt(wanted: WantedDevice, observed: ObservedInterface | undefined): Adopted {
  const choice: DataplaneChoice = wanted.dataplane;
  const isForeign = observed !== undefined && choice !== 'Auto' && choice !== observed.device.dataplane;
  return { wanted, isForeign, ...(isForeign ? {} : observed) };
}

/**
 * A slot that served another key before is made anew: its peers' handshakes were with that key, and would be taken for handshakes with this
 * one. An interface without any key is one that nobody serves.
 */
function withItsKey({ wanted, device, rpFilter, isForeign }: Adopted): Adopted {
  const isAnother = device?.publicKey !== undefined && device.publicKey !== wanted.publicKey;
  if (isAnother) return { wanted, isForeign: true };
  return { wanted, isForeign, ...(device === undefined ? {} : { device, rpFilter }) };
}

function interfaceSteps(adopted: Adopted, forwarding: readonly Operation[]): readonly Operation[] {
  const { wanted, device, rpFilter, isForeign } = adopted;
  return [
    ...(isForeign ? [{ kind: 'delete-link', device: wanted.name } as const] : []),
    ...linkSteps(wanted, device),
    ...(rpFilter === LOOSE_RP_FILTER
      ? []
      : [{ kind: 'set-rp-filter', device: wanted.name, value: LOOSE_RP_FILTER } as const]),
    ...forwarding,
    ...upSteps(wanted, device),
    ...peerSteps(wanted, device),
  ];
}

function surplusAddresses({ wanted, device }: Adopted): readonly Operation[] {
  return (device?.addresses ?? [])
    .filter((address) => !wanted.addresses.includes(address))
    .map((address) => ({ kind: 'remove-address', device: wanted.name, address }) as const);
}

function linkSteps(wanted: WantedDevice, observed: ObservedDevice | undefined): readonly Operation[] {
  const { name: device, dataplane } = wanted;
  const steps: Operation[] = [];
  if (observed === undefined) steps.push({ kind: 'create-link', device, dataplane });
  if (observed?.stopped === true) steps.push({ kind: 'start-link', device });
  const key = observed?.publicKey === wanted.publicKey ? {} : { publicKey: wanted.publicKey };
  const port = observed?.listenPort === wanted.listenPort ? {} : { listenPort: wanted.listenPort };
  const settings = { ...key, ...port };
  if (Object.keys(settings).length > 0) steps.push({ kind: 'set-device', device, ...settings });
  const present = new Set(observed?.addresses);
  for (const address of wanted.addresses)
    if (!present.has(address)) steps.push({ kind: 'add-address', device, address });
  return steps;
}

function forwardingSteps(plan: NodePlan, state: NodeState) {
  const { addresses } = plan.device;
  const { table } = plan.ruleset;
  const has = (family: Family) => addresses.some((address) => address.includes(':') === (family === 6));
  const off: Family[] = [];
  if (!state.sysctls.forwarding4 && has(4)) off.push(4);
  if (state.sysctls.forwarding6 === false && has(6)) off.push(6);
  return off.map((family) => ({ kind: 'turn-on-forwarding', family, table }) as const);
}

/** wireguard-go sets an MTU of its own whenever it starts, so what was observed before says nothing. */
function upSteps(wanted: WantedDevice, observed: ObservedDevice | undefined): readonly Operation[] {
  const keepsMtu = observed?.mtu === wanted.mtu && observed.stopped !== true;
  const change = { ...(keepsMtu ? {} : { mtu: wanted.mtu }), ...(observed?.up === true ? {} : { up: true as const }) };
  return Object.keys(change).length === 0 ? [] : [{ kind: 'set-link', device: wanted.name, ...change }];
}

function peerSteps(wanted: WantedDevice, observed: ObservedDevice | undefined): readonly Operation[] {
  const peers = observed?.peers ?? new Map();
  return diffPeers(wanted, peers, new Set([...wanted.peers.keys(), ...peers.keys()]));
}
