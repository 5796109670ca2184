import { isTrue, type Verdict, verdict } from '../api/conditions.ts';
import { MOST_WITHOUT_PRESHARED_KEY } from '../api/meshgatewaynode.ts';
import type { MeshPeer } from '../api/meshpeer.ts';
import { keyOf } from '../api/resource.ts';
import type { Admission } from './peer-checks.ts';
import type { Topology } from './topology.ts';
import { type GatewayNode, isProgrammed, type MeshView, some } from './view.ts';

/** By gateway, in the peer's order; undefined where the gateway is not served. */
export type Served = readonly (Topology | undefined)[];

/** Everyone who may let the peer in: its gateways, what they are served with, and their nodes. */
export interface Hosts {
  readonly admitted: Admission;
  readonly served: Served;
  readonly nodes: readonly GatewayNode[];
}

/** What is said of a peer that is not let in. */
export const NOT_PROGRAMMED = verdict(
  'MeshPeer',
  'Programmed',
  'False',
  'NotAccepted',
  'No gateway node has this peer, because it is not accepted.',
);

/** How far what the peer was given has come on the nodes that are to have it. */
export function programmed(view: MeshView, peer: MeshPeer, { admitted, served, nodes }: Hosts): Verdict<'MeshPeer'> {
  const say = (
    status: 'True' | 'False',
    reason: Parameters<typeof verdict<'MeshPeer', 'Programmed'>>[3],
    message: string,
  ) => verdict('MeshPeer', 'Programmed', status, reason, message);
  const names = admitted.gateways.map(({ metadata }) => metadata.name);
  const waiting = names.filter((_name, index) => served[index] === undefined);
  if (waiting.length === names.length) {
    return say(
      'False',
      'GatewayNotAccepted',
      `MeshGateway ${some(waiting)} is not accepted itself; see kubectl describe meshgateway ${waiting[0]}.`,
    );
  }
  const up = nodes.filter(isProgrammed);
  if (up.length === 0)
    return say('False', 'NoReadyNode', `No node of MeshGateway ${some(names)} is up; see its Programmed condition.`);
  const behind = up.filter((node) => !holds(view, peer, admitted, node)).map(({ report }) => report.spec.node);
  if (behind.length > 0)
    return say(
      'False',
      'WaitingForNodes',
      `Waiting for ${some(behind)} (${up.length - behind.length} of ${up.length} nodes have it).`,
    );
  const keyless = admitted.presharedKey === undefined ? [] : up.filter((node) => isWithoutKey(peer, node));
  if (keyless.length > 0) {
    const nodes = some(keyless.map(({ report }) => report.spec.node));
    return say(
      'False',
      'WaitingForPresharedKey',
      `Waiting for the present preshared key to reach ${nodes} (${up.length - keyless.length} of ${up.length} nodes have it); the kubelet brings it, at the latest in about a minute and a half.`,
    );
  }
  const but = waiting.length === 0 ? '' : ` MeshGateway ${some(waiting)} is not accepted and does not serve it.`;
  return say('True', 'Programmed', `On ${up.length} of ${up.length} nodes.${but}`);
}

/**
 * Whether a node's report covers what this peer was given. The report says up to which resourceVersion the node has followed;
 * what was given counts from the version that the API server answered when it was written. An operator that did not write it
 * itself trusts an earlier Programmed for the same gift, and otherwise asks for the object's present version.
 */
function holds(view: MeshView, peer: MeshPeer, admitted: Admission, { report }: GatewayNode): boolean {
  const applied = report.status?.appliedResourceVersion;
  if (applied === undefined || !/^\d+$/.test(applied) || !isStored(peer, admitted)) return false;
  const since = view.acceptedAt(keyOf(peer.metadata));
  if (since === undefined && isTrue(peer.status?.conditions ?? [], 'Programmed')) return true;
  return BigInt(applied) >= (since ?? BigInt(peer.metadata.resourceVersion));
}

/** A full list does not say who else is missing, so it speaks for everybody. */
function isWithoutKey(peer: MeshPeer, { report }: GatewayNode): boolean {
  const list = report.status?.withoutPresharedKey ?? [];
  return list.length >= MOST_WITHOUT_PRESHARED_KEY || list.includes(keyOf(peer.metadata));
}

/** Whether the API server already holds what the peer is given now. */
function isStored({ status }: MeshPeer, admitted: Admission): boolean {
  const { publicKey, nextPublicKey, presharedKey, addresses, gateways } = admitted;
  return (
    isTrue(status?.conditions ?? [], 'Accepted') &&
    status?.publicKey === publicKey &&
    status.nextPublicKey === nextPublicKey &&
    status.presharedKeyVersion === presharedKey &&
    sameTexts(status.addresses ?? [], addresses) &&
    sameTexts(
      status.gateways ?? [],
      gateways.map(({ metadata }) => metadata.name),
    )
  );
}

/** Whether both lists hold the same, in the same order. */
export function sameTexts(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((text, index) => text === other[index]);
}
