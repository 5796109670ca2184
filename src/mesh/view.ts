import { isTrue } from '../api/conditions.ts';
import type { Namespace, Node } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshGatewayNode } from '../api/meshgatewaynode.ts';
import type { Connection } from '../api/meshpeer.ts';
import type { ObjectKey } from '../api/resource.ts';
import type { Cidr } from '../net/cidr.ts';
import type { Claims } from './claims.ts';
import type { OwnerQuota } from './owner-quota.ts';

/** One node of a gateway as its agent reports it. */
export interface GatewayNode {
  readonly report: MeshGatewayNode;
  /** Whether the agent's Lease was renewed in time. */
  readonly alive: boolean;
}

/** A preshared key that a Secret in the operator's namespace offers; without the key itself, which no decision needs. */
export interface OfferedPresharedKey {
  /** NAMESPACE/NAME of the one MeshPeer that may have it, as the Secret says; undefined when it says nothing. */
  readonly peer: string | undefined;
  /** What is wrong with the key, if anything is. */
  readonly problem: string | undefined;
  /** Differs for every key and every state of its Secret, and tells nothing of the key. */
  readonly version: string;
}

/** The preshared keys of the operator's namespace. */
export interface PresharedKeys {
  readonly namespace: string;
  /** Undefined when no Secret of the right type has this name. */
  offered(secret: string): OfferedPresharedKey | undefined;
  /** How many peers have one at a gateway. */
  countAt(gateway: string): number;
}

/**
 * All that a decision may look at. Lookups instead of lists where there may be ten thousand, so that deciding one peer costs the
 * same among ten and among ten thousand.
 */
export interface MeshView {
  readonly pool: readonly Cidr[];
  /** Oldest first. */
  readonly gateways: readonly MeshGateway[];
  readonly nodes: readonly Node[];
  readonly claims: Claims;
  readonly presharedKeys: PresharedKeys;
  readonly ownerQuota: OwnerQuota;
  namespace(name: string): Namespace | undefined;
  nodesOf(gateway: string): readonly GatewayNode[];
  connectionsOf(peer: ObjectKey): readonly Connection[];
  /** How many peers have a live session, at whichever gateway. */
  readonly connectedPeers: number;
  /** The resourceVersion from which on the API server holds what was accepted for this peer, where this operator wrote it. */
  acceptedAt(peer: ObjectKey): bigint | undefined;
}

/** Whether the node's agent lives and holds in the kernel what the resources say. */
export function isProgrammed({ alive, report }: GatewayNode): boolean {
  return alive && isTrue(report.status?.conditions ?? [], 'Programmed');
}

/** Whether the node can serve peers: programmed, and its probe peer reaches Services. */
export function isReady(node: GatewayNode): boolean {
  return isProgrammed(node) && isTrue(node.report.status?.conditions ?? [], 'ServicesReachable');
}

/** Whether devices of this gateway reach through the node what it advertises. Where no Services are advertised there is nothing to probe. */
export function servesPeers(gateway: MeshGateway, node: GatewayNode): boolean {
  return gateway.spec.advertise.services.enabled ? isReady(node) : isProgrammed(node);
}

/** The names of the nodes through which devices reach what a gateway advertises. */
export function servingOf(view: Pick<MeshView, 'nodesOf'>, gateway: MeshGateway): ReadonlySet<string> {
  const serving = view.nodesOf(gateway.metadata.name).filter((node) => servesPeers(gateway, node));
  return new Set(serving.map(({ report }) => report.spec.node));
}

/** A few names and how many more there are, for a sentence. */
export function some(names: readonly string[], most = 5): string {
  const shown = names.slice(0, most).join(', ');
  return names.length > most ? `${shown} and ${names.length - most} more` : shown;
}
