import { REASONS } from '../api/conditions.ts';
import { HANDSHAKE_AGES, PEER_STATES } from '../mesh/peer-census.ts';
import type { MetricDefinition } from '../runtime/metrics.ts';

/** Why devices are called. */
export const CALL_CAUSES = ['dead', 'released', 'anew', 'moved'] as const;
export type CallCause = (typeof CALL_CAUSES)[number];

/** From a call of one program to the work of half a minute. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;
const DEVICE = 'namespace and name of the MeshPeer, such as `team-a/laptop`';
const CONDITIONS = Object.keys(REASONS.MeshGatewayNode) as readonly (keyof typeof REASONS.MeshGatewayNode)[];

/** What an agent says of its node. None has a label for each device unless that is asked for, so that 10,000 of them cost what ten do. */
export const AGENT_METRICS = {
  serving: {
    type: 'gauge',
    name: 'sallyport_agent_serving',
    help: '1 while the node is where the resources say, 0 while it is not.',
  },
  conditions: {
    type: 'gauge',
    name: 'sallyport_agent_condition',
    help: "1 while the condition of the node's MeshGatewayNode is True, 0 while it is False; absent while it is Unknown.",
    labels: { condition: CONDITIONS },
  },
  peers: {
    type: 'gauge',
    name: 'sallyport_agent_peers',
    help: 'Devices that the node lets in: with a session on it, with one that has ended, or without any so far.',
    labels: { state: PEER_STATES },
  },
  handshakes: {
    type: 'gauge',
    name: 'sallyport_agent_peers_by_handshake_age',
    help: 'Devices by how long ago they last shook hands with the node, each counted in one class.',
    labels: { age: HANDSHAKE_AGES },
  },
  withoutPresharedKey: {
    type: 'gauge',
    name: 'sallyport_agent_peers_without_preshared_key',
    help: 'Devices whose present preshared key has not reached the node, which wait for it.',
  },
  received: {
    type: 'counter',
    name: 'sallyport_agent_received_bytes_total',
    help: "Bytes of WireGuard's packets from devices.",
  },
  sent: {
    type: 'counter',
    name: 'sallyport_agent_sent_bytes_total',
    help: "Bytes of WireGuard's packets to devices.",
  },
  conntrackEntries: {
    type: 'gauge',
    name: 'sallyport_agent_conntrack_entries',
    help: "Entries in the node's connection tracking, of devices and of everybody else; absent where the kernel tracks none.",
  },
  conntrackLimit: {
    type: 'gauge',
    name: 'sallyport_agent_conntrack_entries_limit',
    help: "How many entries the node's connection tracking takes (nf_conntrack_max); once it is full nobody opens a connection through the node. Absent where there is no limit.",
  },
  devicesAtLimit: {
    type: 'gauge',
    name: 'sallyport_agent_devices_at_connection_limit',
    help: 'Devices that have as many connections open through the node as `spec.access.maxConnections` allows.',
  },
  refused: {
    type: 'counter',
    name: 'sallyport_agent_refused_packets_total',
    help: 'Packets between devices and what is behind the gateway that its firewall refused.',
  },
  audited: {
    type: 'counter',
    name: 'sallyport_agent_audited_connections_total',
    help: 'Lines of the audit log about connections: a device and what it dialled, every few seconds at most.',
    labels: { verdict: ['denied', 'accepted'] },
  },
  leftOut: {
    type: 'counter',
    name: 'sallyport_agent_audit_left_out_total',
    help: 'Connections for which the audit log has no line, because there were too many.',
    labels: { verdict: ['denied', 'accepted'] },
  },
  deviceReceived: {
    type: 'counter',
    name: 'sallyport_agent_device_received_bytes_total',
    help: "Bytes of WireGuard's packets from one device since the node's interface was made. Only where `metrics.agents.devices` allows as many.",
    labels: { device: DEVICE },
  },
  deviceSent: {
    type: 'counter',
    name: 'sallyport_agent_device_sent_bytes_total',
    help: "Bytes of WireGuard's packets to one device since the node's interface was made. Only where `metrics.agents.devices` allows as many.",
    labels: { device: DEVICE },
  },
  devicesLeftOut: {
    type: 'gauge',
    name: 'sallyport_agent_devices_left_out',
    help: 'Devices that have used the node, while they are more than `metrics.agents.devices` allows and none has series of its own; else 0.',
  },
  turns: {
    type: 'histogram',
    name: 'sallyport_agent_reconcile_duration_seconds',
    help: 'How long it took to look at the node and to bring it where the resources say: at everything, at its peers, or at what has changed.',
    labels: { look: ['all', 'peers', 'touched'] },
    buckets: SECONDS,
  },
  failures: {
    type: 'counter',
    name: 'sallyport_agent_reconcile_failures_total',
    help: 'Attempts to bring the node where the resources say that failed and are repeated.',
  },
  operations: {
    type: 'counter',
    name: 'sallyport_agent_operations_total',
    help: 'Steps that were carried out on the node.',
    labels: { kind: 'the kind of step, such as `set-peers` or `replace-table`' },
  },
  applying: {
    type: 'histogram',
    name: 'sallyport_agent_apply_duration_seconds',
    help: 'How long one step on the node took.',
    buckets: SECONDS,
  },
  unread: {
    type: 'counter',
    name: 'sallyport_agent_reading_failures_total',
    help: 'Readings for this page that failed, and are left as they were; the log says why.',
    labels: { reading: ['refused_packets', 'connection_tracking'] },
  },
  mended: {
    type: 'counter',
    name: 'sallyport_agent_drift_mended_total',
    help: 'Times that the agent mended what somebody else had changed on the node.',
  },
  called: {
    type: 'counter',
    name: 'sallyport_agent_called_devices_total',
    help: 'Devices that this node has called: those of a node that was dead, those that another node let go, its own after WireGuard had lost all sessions, and those whose packets a load balancer has brought here.',
    labels: { cause: CALL_CAUSES },
  },
  calling: {
    type: 'histogram',
    name: 'sallyport_agent_call_duration_seconds',
    help: 'How long it took to call a number of devices at once; not until they came.',
    buckets: SECONDS,
  },
  probes: {
    type: 'counter',
    name: 'sallyport_agent_probes_total',
    help: "Probes of the node's way to Services, by the step that failed, or `ok`.",
    labels: { result: ['ok', 'handshake', 'dns', 'tcp'] },
  },
  probing: {
    type: 'histogram',
    name: 'sallyport_agent_probe_duration_seconds',
    help: "How long an answer to the probe's first packet took; the handshake only when there was one.",
    labels: { step: ['handshake', 'dns', 'tcp'] },
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  },
  watchRestarts: {
    type: 'counter',
    name: 'sallyport_agent_watch_restarts_total',
    help: 'Watches of the API server that ended before their time and were begun again.',
    labels: { resource: 'the kind that is watched, in the plural' },
  },
} as const satisfies Readonly<Record<string, MetricDefinition>>;
