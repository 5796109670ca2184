import { isDeepStrictEqual } from 'node:util';
import { isTrue } from '../api/conditions.ts';
import type { Namespace, Node, Service } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshGatewayNode } from '../api/meshgatewaynode.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { ENDPOINT_ANNOTATION, GATEWAY_LABEL } from '../api/names.ts';
import { type KubernetesObject, keyOf, type ObjectKey, splitKey } from '../api/resource.ts';
import type { Change, Store } from '../k8s/store.ts';
import { preferredEndpoints } from '../mesh/client.ts';
import { farewell } from '../mesh/leaving-nodes.ts';
import { MOST_ENDPOINTS } from '../mesh/peer-status.ts';
import type { Clock } from '../runtime/clock.ts';
import type { MeshState } from './mesh-state.ts';
import type { Stores } from './stores.ts';

/** What a change may wake. */
export interface Wakeable {
  add(key: ObjectKey): void;
}

/** Counts of peers in a gateway's status may lag by this much, so that a thousand new peers cost one write and not a thousand. */
const COUNT_LAG_MS = 1_000;
/** Preshared keys that come together reach the nodes together. */
const KEYS_LAG_MS = 100;

/**
 * Says which decisions each kind of change may turn, and brings the indexes up to date first. What the stores hold already counts
 * as changed.
 */
export function connect(
  stores: Stores,
  state: MeshState,
  controllers: {
    readonly peers: Wakeable;
    readonly gateways: Wakeable;
    readonly presharedKeys: Wakeable;
    readonly accesses: Wakeable;
  },
  clock: Clock,
): void {
  connectAccess(stores, state, controllers.accesses, clock);
  const { peers, gateways, presharedKeys } = controllers;
  const addAll = (keys: Iterable<ObjectKey>, to: Wakeable) => {
    for (const key of keys) to.add(key);
  };
  const allGateways = () =>
    addAll(
      [...stores.gateways.values()].map(({ metadata }) => keyOf(metadata)),
      gateways,
    );
  const peersWhere = (wanted: (peer: MeshPeer) => boolean) =>
    addAll(
      [...stores.peers.values()].filter(wanted).map(({ metadata }) => keyOf(metadata)),
      peers,
    );
  const countLater = lagging(clock, gateways, COUNT_LAG_MS);
  const bringKeysLater = lagging(clock, presharedKeys, KEYS_LAG_MS);

  follow(stores.peers, (change) => {
    addAll(state.peerChanged(change), peers);
    peers.add(change.key);
    for (const name of gatewaysOf(change)) {
      countLater(name as ObjectKey);
      if (!isDeepStrictEqual(presharedKeyOf(change.before), presharedKeyOf(change.after)))
        bringKeysLater(name as ObjectKey);
    }
  });
  follow(stores.gateways, (change) => {
    if (!sameFor(change, forPeers)) peersWhere(() => true);
    if (!sameFor(change, forOtherGateways)) allGateways();
    if (!sameFor(change, nextKeyOf)) presharedKeys.add(change.key);
  });
  follow(stores.reports, (change) => {
    const gateway = (change.after ?? change.before)?.spec.gateway ?? '';
    addAll(state.reportChanged(change), peers);
    if (!sameFor(change, keysOf)) presharedKeys.add(gateway as ObjectKey);
    if (sameFor(change, butCounts)) countLater(gateway as ObjectKey);
    else gateways.add(gateway as ObjectKey);
    if (!sameFor(change, isProgrammedReport)) peersWhere((peer) => uses(peer, gateway));
  });
  follow(stores.leases, ({ key, after, before }) => {
    const gateway = (after ?? before)?.metadata.labels?.[GATEWAY_LABEL];
    if (!state.liveness.set(key, after) || gateway === undefined) return;
    gateways.add(gateway as ObjectKey);
    peersWhere((peer) => uses(peer, gateway));
  });
  follow(stores.presharedKeys, ({ before, after }) => {
    const name = (after ?? before)?.metadata.name ?? '';
    addAll(state.presharedKeys.askingFor(name), peers);
  });
  follow(stores.presharedKeySets, ({ before, after }) => {
    const gateway = (after ?? before)?.metadata.labels?.[GATEWAY_LABEL];
    if (gateway !== undefined) presharedKeys.add(gateway as ObjectKey);
  });
  follow(stores.nodes, (change) => {
    if (!sameFor(change, forGateways)) allGateways();
  });
  follow(stores.namespaces, (change) => {
    if (!sameFor(change, labelsOf)) peersWhere((peer) => peer.metadata.namespace === change.key);
  });
  for (const store of [stores.serviceCidrs, stores.dnsServices, stores.services, stores.daemonSets]) {
    if (store !== undefined) follow(store as Store<KubernetesObject>, allGateways);
  }
}

/** What grants are about changes with peers, Services, Namespaces and gateways. */
function connectAccess(stores: Stores, { access }: MeshState, accesses: Wakeable, clock: Clock): void {
  const addAll = (keys: Iterable<ObjectKey>) => {
    for (const key of keys) accesses.add(key);
  };
  const countLater = lagging(clock, accesses, COUNT_LAG_MS);
  follow(stores.accesses, ({ key }) => accesses.add(key));
  follow(stores.clusterAccesses, ({ key }) => accesses.add(key));
  follow(stores.clusterServices, ({ key, before, after }) => {
    const { namespace = '' } = splitKey(key);
    if (!sameFor({ key, before, after }, forGrants)) addAll(access.grantsOf(namespace));
  });
  follow(stores.namespaces, (change) => {
    if (!sameFor(change, labelsOf)) addAll(access.grantsAbout(change.key));
  });
  follow(stores.gateways, (change) => {
    if (!sameFor(change, gatewayForGrants)) addAll(access.all());
  });
  follow(stores.peers, (change) => {
    if (sameFor(change, peerForGrants)) return;
    for (const key of access.grantsFor(splitKey(change.key).namespace ?? '')) countLater(key);
  });
}

function forGrants({ metadata, spec }: Service): unknown {
  return [metadata.labels, spec];
}

function gatewayForGrants({ metadata, spec, status }: MeshGateway): unknown {
  const accepted = isTrue(status?.conditions ?? [], 'Accepted');
  return [metadata.deletionTimestamp, spec.access, spec.advertise, accepted, status?.publicKey, status?.serviceCIDRs];
}

function peerForGrants({ metadata, spec, status }: MeshPeer): unknown {
  const accepted = isTrue(status?.conditions ?? [], 'Accepted');
  return [metadata.labels, metadata.deletionTimestamp, spec, accepted, status?.gateways];
}

/** Everything that is there, then every change. */
function follow<T extends KubernetesObject>(store: Store<T>, take: (change: Change<T>) => void): void {
  store.subscribe(take);
  for (const object of store.values()) take({ key: keyOf(object.metadata), after: object });
}

function sameFor<T>({ before, after }: Change<T>, read: (object: T) => unknown): boolean {
  return before !== undefined && after !== undefined && isDeepStrictEqual(read(before), read(after));
}

/** Wakes a key once, some time after the first wish for it. */
function lagging(clock: Clock, to: Wakeable, ms: number): (key: ObjectKey) => void {
  const due = new Set<ObjectKey>();
  return (key) => {
    if (due.has(key)) return;
    due.add(key);
    clock.timer(ms, () => {
      due.delete(key);
      to.add(key);
    });
  };
}

function uses(peer: MeshPeer, gateway: string): boolean {
  return peer.status?.gateways?.includes(gateway) ?? false;
}

function gatewaysOf({ before, after }: Change<MeshPeer>): ReadonlySet<string> {
  return new Set([...(before?.status?.gateways ?? []), ...(after?.status?.gateways ?? [])]);
}

/** What of a gateway decides about peers and stands in their configurations. */
function forPeers(gateway: MeshGateway): unknown {
  const { spec, status, metadata } = gateway;
  const { publicKey, keys, addresses, serviceCIDRs, dns, mtu, nodes } = status ?? {};
  const accepted = isTrue(status?.conditions ?? [], 'Accepted');
  const ready = isTrue(status?.conditions ?? [], 'Ready');
  return [
    spec,
    accepted,
    ready,
    metadata.deletionTimestamp,
    publicKey,
    // How many still use the former key changes with each that leaves it, and concerns nobody else.
    keys?.map((key) => [key.publicKey, key.state, key.slot, key.until]),
    addresses,
    // Not whether an agent stands behind each, which changes with every node that restarts.
    preferredEndpoints(gateway, MOST_ENDPOINTS),
    serviceCIDRs,
    dns,
    mtu,
    // A node that falls silent sends nothing that would wake anybody; its gateway counts it out when its Lease runs out.
    nodes,
  ];
}

/** What of a gateway decides about other gateways. */
function forOtherGateways({ spec, status, metadata }: MeshGateway): unknown {
  const accepted = isTrue(status?.conditions ?? [], 'Accepted');
  return [
    spec.nodeSelector,
    spec.tolerations,
    metadata.deletionTimestamp,
    status?.addresses,
    status?.publicKey,
    status?.keys?.map(({ publicKey }) => publicKey),
    accepted,
  ];
}

/** What of a report is not a count, which may lag. */
function butCounts({ status }: MeshGatewayNode): unknown {
  const { connections, connected, peers, appliedResourceVersion, withoutPresharedKey, ...rest } = status ?? {};
  return rest;
}

/** What of a report says which keys the kubelet is still to bring. */
function keysOf({ status }: MeshGatewayNode): unknown {
  return [status?.withoutPresharedKey, status?.publicKey, status?.otherPublicKey];
}

/** What of a peer decides which preshared key its gateways' nodes are brought for it. */
function presharedKeyOf(peer: MeshPeer | undefined): unknown {
  const status = peer?.status;
  if (status?.presharedKeyVersion === undefined) return undefined;
  return [status.presharedKeyVersion, status.gateways, isTrue(status.conditions ?? [], 'Accepted')];
}

/** The key that kubelets are to bring to the nodes. */
function nextKeyOf({ status }: MeshGateway): unknown {
  return status?.keys?.find(({ state }) => state === 'Next')?.publicKey;
}

function isProgrammedReport({ status }: MeshGatewayNode): unknown {
  return isTrue(status?.conditions ?? [], 'Programmed');
}

function forGateways(node: Node): unknown {
  const { metadata, spec, status } = node;
  return [metadata.labels, metadata.annotations?.[ENDPOINT_ANNOTATION], spec, status.addresses, farewell(node)];
}

function labelsOf({ metadata }: Namespace): unknown {
  return metadata.labels;
}
