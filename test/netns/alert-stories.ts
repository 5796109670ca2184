/** What Prometheus reads for a while, and which alert it must raise from that, and not sooner. */
export interface AlertStory {
  readonly alert: string;
  /** Series, each with its values minute by minute in promtool's notation. */
  readonly series: Readonly<Record<string, string>>;
  /** When the alert must not yet fire, and when it must; both minutes from the beginning. */
  readonly quietAt: number;
  readonly firingAt: number;
}

const NODE = 'instance="node-a"';

/** Every alert of the chart has one. */
export const ALERT_STORIES: readonly AlertStory[] = [
  {
    alert: 'SallyportServicesUnreachable',
    series: { [`sallyport_agent_condition{${NODE},condition="ServicesReachable"}`]: '1x4 0x20' },
    quietAt: 7,
    firingAt: 9,
  },
  {
    alert: 'SallyportNodeNotServing',
    series: { [`sallyport_agent_serving{${NODE}}`]: '1x4 0x20' },
    quietAt: 9,
    firingAt: 11,
  },
  {
    alert: 'SallyportAgentsNotSeen',
    series: {
      'sallyport_operator_gateway_ready_nodes{gateway="default",pod="a"}': '2x40',
      'sallyport_operator_gateway_ready_nodes{gateway="default",pod="b"}': '2x40',
      'sallyport_agent_serving{gateway="default",instance="node-a"}': '1x40',
      'sallyport_agent_serving{gateway="default",instance="node-b"}': '1x4 stale',
    },
    quietAt: 14,
    firingAt: 16,
  },
  {
    alert: 'SallyportConditionFalse',
    series: { [`sallyport_agent_condition{${NODE},condition="ForwardingEnabled"}`]: '1x4 0x20' },
    quietAt: 9,
    firingAt: 11,
  },
  {
    alert: 'SallyportConnectionTrackingFull',
    series: {
      [`sallyport_agent_conntrack_entries{${NODE}}`]: '799x4 801x20',
      [`sallyport_agent_conntrack_entries_limit{${NODE}}`]: '1000x30',
    },
    quietAt: 6,
    firingAt: 8,
  },
  {
    alert: 'SallyportDriftRepeated',
    series: { [`sallyport_agent_drift_mended_total{${NODE}}`]: '0x60 0+1x60' },
    quietAt: 62,
    firingAt: 75,
  },
  {
    alert: 'SallyportApplySlow',
    series: {
      [`sallyport_agent_reconcile_duration_seconds_bucket{${NODE},look="all",le="5"}`]: '0x60',
      [`sallyport_agent_reconcile_duration_seconds_bucket{${NODE},look="all",le="10"}`]: '0+1x60',
      [`sallyport_agent_reconcile_duration_seconds_bucket{${NODE},look="all",le="+Inf"}`]: '0+1x60',
    },
    quietAt: 10,
    firingAt: 20,
  },
  {
    alert: 'SallyportPresharedKeyMissing',
    series: { [`sallyport_agent_peers_without_preshared_key{${NODE}}`]: '0x4 2x20' },
    quietAt: 14,
    firingAt: 16,
  },
  {
    alert: 'SallyportManyRefusals',
    series: { [`sallyport_agent_refused_packets_total{${NODE}}`]: '0x4 0+6000x30' },
    quietAt: 10,
    firingAt: 20,
  },
  {
    alert: 'SallyportAuditIncomplete',
    series: { [`sallyport_agent_audit_left_out_total{${NODE},verdict="denied"}`]: '0x4 3x20' },
    quietAt: 4,
    firingAt: 6,
  },
  {
    alert: 'SallyportGatewayNotReady',
    series: { 'sallyport_operator_gateway_condition{gateway="default",condition="Ready"}': '1x4 0x20' },
    quietAt: 9,
    firingAt: 11,
  },
  {
    alert: 'SallyportKeyNotApplied',
    series: { 'sallyport_operator_gateway_condition{gateway="default",condition="KeyApplied"}': '1x4 0x60' },
    quietAt: 34,
    firingAt: 36,
  },
  {
    alert: 'SallyportNodesNotReady',
    series: {
      'sallyport_operator_gateway_nodes{gateway="default"}': '3x40',
      'sallyport_operator_gateway_ready_nodes{gateway="default"}': '3x4 2x40',
    },
    quietAt: 14,
    firingAt: 16,
  },
  {
    alert: 'SallyportNoLeader',
    series: { 'sallyport_operator_leader{pod="a"}': '1x4 0x20', 'sallyport_operator_leader{pod="b"}': '0x30' },
    quietAt: 9,
    firingAt: 11,
  },
  {
    alert: 'SallyportReconcileFailing',
    series: { 'sallyport_operator_reconcile_failures_total{kind="MeshPeer"}': '0x4 0+1x40' },
    quietAt: 15,
    firingAt: 30,
  },
  {
    alert: 'SallyportQueueGrows',
    series: { 'sallyport_operator_queue_length{kind="MeshPeer"}': '0x4 0+200x30' },
    quietAt: 15,
    firingAt: 22,
  },
  {
    alert: 'SallyportWatchUnstable',
    series: { 'sallyport_agent_watch_restarts_total{pod="sallyport-x",resource="meshpeers"}': '0x4 0+1x60' },
    quietAt: 20,
    firingAt: 40,
  },
];
