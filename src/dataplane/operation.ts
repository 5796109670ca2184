import type { Family } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import type { ProxyMode } from './local-facts.ts';
import { rulesetDifference } from './nftables/diff.ts';
import type { ElementChange, Ruleset } from './nftables/ruleset.ts';
import type { Names, NodePlan, NodeState } from './node-plan.ts';
import { type Route, sameRoute } from './routes/route.ts';
import type { DataplaneChoice, ObservedDevice, ObservedPeer, WantedDevice } from './wireguard/device.ts';
import { lostSources, orderPeerChanges, type PeerChange, peerChange } from './wireguard/peer-change.ts';

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
  | { readonly kind: 'add-route' | 'remove-route'; readonly route: Route }
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
  const { name, dataplane, addresses } = plan.device;
  const adopted = adopt(dataplane, state.device);
  const foreign = state.device !== undefined && adopted === undefined;
  const routes = adopted === undefined ? [] : state.routes;
  return [
    ...tableSteps(plan.ruleset, state),
    ...(foreign ? [{ kind: 'delete-link', device: name } as const] : []),
    ...linkSteps(plan.device, adopted),
    ...sysctlSteps(plan, adopted === undefined ? undefined : state.sysctls.rpFilter, state),
    ...upSteps(plan.device, adopted),
    ...peerSteps(plan.device, adopted),
    ...without(plan.routes, routes).map((route) => ({ kind: 'add-route', route }) as const),
    ...without(routes, plan.routes).map((route) => ({ kind: 'remove-route', route }) as const),
    ...(adopted?.addresses ?? [])
      .filter((address) => !addresses.includes(address))
      .map((address) => ({ kind: 'remove-address', device: name, address }) as const),
  ];
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
  const changes = orderPeerChanges(found);
  const sources = lostSources(changes, observed);
  const steps: Operation[] = [{ kind: 'set-peers', device: wanted.name, changes }];
  return sources.length === 0 ? steps : [...steps, { kind: 'forget-flows', sources }];
}

/**
 * The steps that take everything of ours off the node; the firewall, which also remembers what to restore, goes last. Forwarding
 * that we turned on stays on where a service proxy runs: by now the cluster's own network may live by it.
 */
export function cleanup(names: Names, state: NodeState, proxyMode: ProxyMode = 'unknown'): readonly Operation[] {
  const { device, table } = names;
  const sources = [...(state.device?.peers.values() ?? [])].flatMap((peer) => peer.allowedIPs);
  const steps: Operation[] = state.routes.map((route) => ({ kind: 'remove-route', route }));
  if (state.device !== undefined) steps.push({ kind: 'delete-link', device });
  if (sources.length > 0) steps.push({ kind: 'forget-flows', sources });
  const restored = proxyMode === 'unknown' ? state.sysctls.turnedOn : [];
  for (const family of restored) steps.push({ kind: 'restore-forwarding', family, table });
  if (state.ruleset !== undefined) steps.push({ kind: 'delete-table', table });
  return steps;
}

function adopt(choice: DataplaneChoice, observed: ObservedDevice | undefined): ObservedDevice | undefined {
  return choice === 'Auto' || choice === observed?.dataplane ? observed : undefined;
}

function tableSteps(ruleset: Ruleset, state: NodeState): readonly Operation[] {
  const difference = rulesetDifference(ruleset, state.ruleset);
  if (difference.kind === 'none') return [];
  return difference.kind === 'structure'
    ? [{ kind: 'replace-table', ruleset, turnedOn: state.sysctls.turnedOn }]
    : [{ kind: 'change-elements', table: ruleset.table, changes: difference.changes }];
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

function sysctlSteps(plan: NodePlan, rpFilter: number | undefined, state: NodeState): readonly Operation[] {
  const { name: device, addresses } = plan.device;
  const { table } = plan.ruleset;
  const has = (family: Family) => addresses.some((address) => address.includes(':') === (family === 6));
  const steps: Operation[] = [];
  if (rpFilter !== LOOSE_RP_FILTER) steps.push({ kind: 'set-rp-filter', device, value: LOOSE_RP_FILTER });
  if (!state.sysctls.forwarding4 && has(4)) steps.push({ kind: 'turn-on-forwarding', family: 4, table });
  if (state.sysctls.forwarding6 === false && has(6)) steps.push({ kind: 'turn-on-forwarding', family: 6, table });
  return steps;
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

function without(routes: readonly Route[], others: readonly Route[]): readonly Route[] {
  return routes.filter((route) => !others.some((other) => sameRoute(route, other)));
}
