import type { Node } from '../api/core.ts';
import type { MeshGatewayStatus } from '../api/meshgateway.ts';
import { timestamp } from '../api/timestamp.ts';

export type LeavingNode = NonNullable<MeshGatewayStatus['leavingNodes']>[number];

/** Taints that say that a node will be gone soon, or that nothing new is to come to it, by whoever sets them. */
const FAREWELLS: readonly RegExp[] = [
  /^node\.kubernetes\.io\/(unschedulable|out-of-service)$/,
  /^node\.cloudprovider\.kubernetes\.io\/shutdown$/,
  // Cluster Autoscaler, and Karpenter by its older and its present name.
  /^ToBeDeletedByClusterAutoscaler$/,
  /^karpenter\.sh\/(disruption|disrupted)$/,
  // Notices of interruption: AWS Node Termination Handler, GKE, AKS.
  /^aws-node-termination-handler\//,
  /^cloud\.google\.com\/impending-node-termination$/,
  /^remediator\.kubernetes\.azure\.com\/unschedulable$/,
];

/**
 * The serving nodes that are about to go, each with why and since when it is known; what was known before keeps its time. `now` is in
 * milliseconds since the epoch.
 */
export function leavingNodes(
  serving: ReadonlySet<string>,
  nodes: Iterable<Node>,
  before: readonly LeavingNode[],
  now: number,
): readonly LeavingNode[] {
  const known = new Map([...nodes].map((node) => [node.metadata.name, node]));
  const leaving = [...serving].flatMap((name) => {
    const node = known.get(name);
    // The machine may go on for a while, and so may its agent.
    const reason = node === undefined ? 'its Node object is gone' : farewell(node);
    if (reason === undefined) return [];
    const since = before.find((entry) => entry.node === name)?.since ?? timestamp(now);
    return [{ node: name, reason, since }];
  });
  return leaving.sort((one, other) => (one.node < other.node ? -1 : 1));
}

/** What a kubelet with `shutdownGracePeriod` says of its node from the beginning of a shutdown on, and ends pods; by documentation the reason, in fact the message. */
const SHUTTING_DOWN = /\bnode is shutting down\b/;

/** Why a node is about to go, as its Node object says; undefined where it stays. */
export function farewell({ metadata, spec, status }: Node): string | undefined {
  if (metadata.deletionTimestamp !== undefined) return 'it is being deleted';
  if (spec.unschedulable === true) return 'it is cordoned';
  const ready = status.conditions.find(({ type }) => type === 'Ready');
  if (ready?.status === 'False' && SHUTTING_DOWN.test(`${ready.reason} ${ready.message}`)) return 'it is shutting down';
  const taint = spec.taints?.find(({ key }) => FAREWELLS.some((pattern) => pattern.test(key)));
  return taint === undefined ? undefined : `it has the taint ${taint.key}`;
}
