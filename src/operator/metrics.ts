import { REASONS } from '../api/conditions.ts';
import type { MetricDefinition } from '../runtime/metrics.ts';

/** From a decision that writes nothing to an API server that is slow. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;
const CONDITIONS = Object.keys(REASONS.MeshGateway) as readonly (keyof typeof REASONS.MeshGateway)[];
const REFUSALS = REASONS.MeshPeer.Accepted.filter((reason) => reason !== 'Accepted' && reason !== 'PartlyAccepted');
const GATEWAY = "the MeshGateway's name";

/** How a MeshPeer stands: with a session on some node, without one, not let in, or not decided about. */
export const DEVICE_STATES = ['connected', 'idle', 'refused', 'undecided'] as const;

/** What the controllers of an operator reconcile. */
export const RECONCILED = ['MeshGateway', 'MeshPeer', 'MeshAccess', 'PresharedKeys'] as const;
export type Reconciled = (typeof RECONCILED)[number];

/** What an operator says; but for `leader`, only the one that leads has something to say. */
export const OPERATOR_METRICS = {
  leader: {
    type: 'gauge',
    name: 'sallyport_operator_leader',
    help: '1 in the operator that leads, 0 in those that stand by.',
  },
  reconciles: {
    type: 'histogram',
    name: 'sallyport_operator_reconcile_duration_seconds',
    help: 'How long it took to decide about one object and to write what was decided.',
    labels: { kind: RECONCILED },
    buckets: SECONDS,
  },
  failures: {
    type: 'counter',
    name: 'sallyport_operator_reconcile_failures_total',
    help: 'Attempts to decide or to write that failed and are repeated.',
    labels: { kind: RECONCILED },
  },
  waiting: {
    type: 'gauge',
    name: 'sallyport_operator_queue_length',
    help: 'Objects that wait for their turn.',
    labels: { kind: RECONCILED },
  },
  peers: {
    type: 'gauge',
    name: 'sallyport_operator_peers',
    help: 'MeshPeers: with a session on some node, let in without one, refused, or not decided about.',
    labels: { state: DEVICE_STATES },
  },
  refused: {
    type: 'gauge',
    name: 'sallyport_operator_refused_peers',
    help: 'MeshPeers that are not let in, by the reason of their condition Accepted.',
    labels: { reason: REFUSALS },
  },
  conditions: {
    type: 'gauge',
    name: 'sallyport_operator_gateway_condition',
    help: "1 while a MeshGateway's condition is True, 0 while it is False; absent while it is Unknown.",
    labels: { gateway: GATEWAY, condition: CONDITIONS },
  },
  selected: {
    type: 'gauge',
    name: 'sallyport_operator_gateway_nodes',
    help: 'Nodes that a MeshGateway selects.',
    labels: { gateway: GATEWAY },
  },
  ready: {
    type: 'gauge',
    name: 'sallyport_operator_gateway_ready_nodes',
    help: 'Nodes that a MeshGateway selects and that serve it.',
    labels: { gateway: GATEWAY },
  },
  watchRestarts: {
    type: 'counter',
    name: 'sallyport_operator_watch_restarts_total',
    help: 'Watches of the API server that ended before their time and were begun again.',
    labels: { resource: 'the kind that is watched, in the plural' },
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;
