import type { Node } from '../api/core.ts';
import type { LabelSelector } from '../api/fields.ts';
import type { MeshGateway } from '../api/meshgateway.ts';

type Labels = Readonly<Record<string, string>>;

/** Whether labels satisfy a selector, by the rules of Kubernetes' LabelSelector: an empty selector matches everything. */
export function selectorMatches(selector: LabelSelector, labels: Labels): boolean {
  const exact = Object.entries(selector.matchLabels ?? {}).every(([key, value]) => labels[key] === value);
  return exact && (selector.matchExpressions ?? []).every((requirement) => requirementHolds(requirement, labels));
}

/** The names of the nodes that can run this gateway's pods: Linux, selected, and with no taint that the pods do not tolerate. */
export function servingNodes(gateway: MeshGateway, nodes: Iterable<Node>): readonly string[] {
  return [...nodes]
    .filter((node) => isSelected(gateway, node) && toleratesAll(gateway, node))
    .map((node) => node.metadata.name)
    .sort();
}

type Requirement = NonNullable<LabelSelector['matchExpressions']>[number];

function requirementHolds({ key, operator, values = [] }: Requirement, labels: Labels): boolean {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value);
    case 'NotIn':
      return value === undefined || !values.includes(value);
    case 'Exists':
      return value !== undefined;
    case 'DoesNotExist':
      return value === undefined;
  }
}

function isSelected(gateway: MeshGateway, node: Node): boolean {
  const labels = node.metadata.labels ?? {};
  const matchLabels = { 'kubernetes.io/os': 'linux', ...gateway.spec.nodeSelector };
  return selectorMatches({ matchLabels }, labels);
}

/** Taints that the DaemonSet controller tolerates for every host-network pod it makes. */
const DAEMON_TOLERATED = new Set([
  'node.kubernetes.io/not-ready',
  'node.kubernetes.io/unreachable',
  'node.kubernetes.io/disk-pressure',
  'node.kubernetes.io/memory-pressure',
  'node.kubernetes.io/pid-pressure',
  'node.kubernetes.io/unschedulable',
  'node.kubernetes.io/network-unavailable',
]);

type Taint = NonNullable<Node['spec']['taints']>[number];
type Toleration = MeshGateway['spec']['tolerations'][number];

function toleratesAll(gateway: MeshGateway, node: Node): boolean {
  return (node.spec.taints ?? [])
    .filter((taint) => taint.effect !== 'PreferNoSchedule' && !DAEMON_TOLERATED.has(taint.key))
    .every((taint) => gateway.spec.tolerations.some((toleration) => tolerates(toleration, taint)));
}

function tolerates(toleration: Toleration, taint: Taint): boolean {
  if (toleration.effect !== undefined && toleration.effect !== taint.effect) return false;
  if (toleration.operator === 'Exists') return (toleration.key ?? '') === '' || toleration.key === taint.key;
  return toleration.key === taint.key && (toleration.value ?? '') === (taint.value ?? '');
}
