import { conditionsFrom, findCondition, type Reason, type Verdict, verdict } from '../api/conditions.ts';
import type { MeshGateway, MeshGatewayStatus } from '../api/meshgateway.ts';
import { MOST_NAMED_PEERS } from '../api/meshgateway-status.ts';
import { GATEWAY_LABEL } from '../api/names.ts';
import { timestamp } from '../api/timestamp.ts';
import { toldEndpoints } from './endpoint-standing.ts';
import { endpointsFound } from './endpoints-found.ts';
import {
  type GatewayFindings,
  type GatewayViolation,
  gatewayViolation,
  ownGatewayAddresses,
} from './gateway-checks.ts';
import { endOf, type HeldKey, type KeyJudgement } from './gateway-keys.ts';
import { grantsOf, trackingOf } from './gateway-limits.ts';
import { publicClusterCidrs } from './internet.ts';
import { slotOf } from './key-slots.ts';
import { leavingNodes } from './leaving-nodes.ts';
import { nodeProblems, statusOf } from './node-problems.ts';
import { servingNodes } from './selectors.ts';
import { type GatewayNode, isProgrammed, type MeshView, servesPeers, servingOf, some } from './view.ts';

/** What fits into a stored status: the limits of its schema, and a length at which a node's message can still be read. */
const MOST = {
  serviceCidrs: 32,
  excluded: 1024,
  source: 253,
  dnsServers: 3,
  proxyMode: 63,
  leavingNodes: 1024,
} as const;

/** Decides one gateway: whether it is served, by what, and whether it works. `now` is in milliseconds since the epoch. */
export function judgeGateway(
  view: MeshView,
  gateway: MeshGateway,
  findings: GatewayFindings,
  now: number,
): MeshGatewayStatus {
  const violation = gatewayViolation(view, gateway, findings);
  const reports = view.nodesOf(gateway.metadata.name);
  const selected = servingNodes(gateway, view.nodes);
  const serving = { selected, reports, ready: reports.filter((node) => servesPeers(gateway, node)), findings };
  const verdicts = gatewayVerdicts(gateway, violation, serving);
  return {
    ...(gateway.metadata.generation === undefined ? {} : { observedGeneration: gateway.metadata.generation }),
    ...served(view, gateway, findings, reports),
    ...leaving(view, gateway, reports, now),
    endpoints: [
      ...toldEndpoints(findings.endpoints, servingOf(view, gateway), { before: gateway.status?.endpoints, now }),
    ],
    nodes: { selected: selected.length, ready: serving.ready.length },
    peers: findings.peers,
    conditions: [
      ...conditionsFrom(verdicts, gateway.status?.conditions ?? [], gateway.metadata.generation ?? 0, timestamp(now)),
    ],
  };
}

/** What the gateway is served with; told for a refused gateway too, because it helps to see why it is refused. */
function served(
  view: MeshView,
  gateway: MeshGateway,
  findings: GatewayFindings,
  reports: readonly GatewayNode[],
): MeshGatewayStatus {
  const addresses = ownGatewayAddresses(view, gateway);
  const mtus = reports.flatMap(({ report }) => report.status?.mtu ?? []);
  const modes = [...new Set(reports.flatMap(({ report }) => report.status?.proxyMode ?? []))].sort();
  const mtu = gateway.spec.mtu ?? (mtus.length === 0 ? undefined : Math.min(...mtus));
  return {
    ...(findings.key.ok ? { publicKey: findings.key.value } : {}),
    ...(findings.keys === undefined ? {} : { keys: toldKeys(gateway, findings.keys) }),
    ...(addresses.length === 0 ? {} : { addresses: [...addresses] }),
    pool: [...view.pool],
    serviceCIDRs: findings.serviceCidrs
      .slice(0, MOST.serviceCidrs)
      .map(({ cidr, source }) => ({ cidr, source: source.slice(0, MOST.source) })),
    ...(gateway.spec.advertise.internet.enabled
      ? { internet: { excluded: [...publicClusterCidrs(view, findings, MOST.excluded)] } }
      : {}),
    ...(findings.dnsServers.length === 0
      ? {}
      : { dns: { servers: findings.dnsServers.slice(0, MOST.dnsServers), domain: gateway.spec.dns.domain } }),
    ...(modes.length === 0 ? {} : { proxyMode: modes.join(', ').slice(0, MOST.proxyMode) }),
    ...(mtu === undefined ? {} : { mtu }),
  };
}

function leaving(
  { nodes }: MeshView,
  gateway: MeshGateway,
  reports: readonly GatewayNode[],
  now: number,
): Pick<MeshGatewayStatus, 'leavingNodes'> {
  const serving = new Set(reports.map(({ report }) => report.spec.node));
  const leavingNow = leavingNodes(serving, nodes, gateway.status?.leavingNodes ?? [], now);
  return leavingNow.length === 0
    ? {}
    : { leavingNodes: leavingNow.slice(0, MOST.leavingNodes).map((entry) => ({ ...entry })) };
}

function toldKeys(gateway: MeshGateway, { held, lingering }: KeyJudgement): NonNullable<MeshGatewayStatus['keys']> {
  const place = ({ publicKey, slot }: HeldKey) => {
    const { listenPort, device } = slotOf(gateway, slot);
    return { publicKey, slot, listenPort, interface: device };
  };
  const { current, other } = held;
  const first = { ...place(current), state: 'Current' as const };
  if (other === undefined) return [first];
  if (other.state === 'Next') return [first, { ...place(other), state: other.state }];
  const { unusedSince, isNewer } = other;
  const former = {
    ...place(other),
    state: other.state,
    ...(isNewer === undefined ? {} : { newer: isNewer }),
    until: timestamp(endOf(gateway, other)),
    peers: lingering.length,
    ...(lingering.length === 0 ? {} : { peerNames: [...lingering].sort().slice(0, MOST_NAMED_PEERS) }),
    ...(unusedSince === undefined ? {} : { unusedSince: timestamp(unusedSince) }),
  };
  return [first, former];
}

interface Serving {
  readonly selected: readonly string[];
  readonly reports: readonly GatewayNode[];
  /** Those of the reports' nodes that let devices reach what is advertised. */
  readonly ready: readonly GatewayNode[];
  readonly findings: GatewayFindings;
}

type GatewayVerdict = Verdict<'MeshGateway'>;
type NodeReason = Reason<'MeshGatewayNode', 'Programmed'>;

function gatewayVerdicts(
  gateway: MeshGateway,
  violation: GatewayViolation | undefined,
  serving: Serving,
): readonly GatewayVerdict[] {
  const accepted: GatewayVerdict =
    violation === undefined
      ? verdict('MeshGateway', 'Accepted', 'True', 'Accepted', 'Nothing speaks against serving this gateway.')
      : { type: 'Accepted', status: 'False', ...violation };
  const programmed = violation === undefined ? programming(gateway, serving) : notAccepted('Programmed');
  const reachable = reachability(serving);
  const key = serving.findings.keys?.verdict;
  const grants = grantsOf(gateway, serving.reports);
  return [
    accepted,
    programmed,
    reachable,
    endpointsFound(serving.findings.endpointProblems),
    trackingOf(serving.reports),
    ...(grants === undefined ? [] : [grants]),
    ...(key === undefined ? [] : [key]),
    readiness(gateway, [accepted, programmed, reachable], serving),
  ];
}

function notAccepted(type: 'Programmed'): GatewayVerdict {
  return verdict(
    'MeshGateway',
    type,
    'False',
    'NotAccepted',
    'The gateway is not accepted; see the Accepted condition. Nodes that already serve it go on as they are.',
  );
}

function programming({ metadata }: MeshGateway, { selected, reports }: Serving): GatewayVerdict {
  const say = (
    status: 'True' | 'False',
    reason: Parameters<typeof verdict<'MeshGateway', 'Programmed'>>[3],
    message: string,
  ) => verdict('MeshGateway', 'Programmed', status, reason, message);
  if (selected.length === 0)
    return say(
      'False',
      'NoNodes',
      'No Linux node matches spec.nodeSelector and spec.tolerations; label a node or change them.',
    );
  const alive = reports.filter((node) => node.alive);
  const wanted = new Set(selected);
  const behind = alive.filter((node) => wanted.has(node.report.spec.node) && !isProgrammed(node));
  const failed = behind.filter((node) => !isBeginning(node));
  if (failed.length > 0) return say('False', 'NodesFailed', nodeProblems(failed, 'Programmed'));
  const up = new Set(alive.map(({ report }) => report.spec.node));
  const missing = selected.filter((name) => !up.has(name));
  if (missing.length > 0) {
    return say(
      'False',
      'WaitingForNodes',
      `No agent answers on ${some(missing)} (${selected.length - missing.length} of ${selected.length} nodes are up). See whether the node is Ready (kubectl get nodes) and how its pod is: kubectl get pods -A -o wide -l ${GATEWAY_LABEL}=${metadata.name}`,
    );
  }
  if (behind.length > 0) return say('False', 'WaitingForNodes', nodeProblems(behind, 'Programmed'));
  const outdated = alive.filter((node) => wanted.has(node.report.spec.node) && isOutdated(node, metadata.generation));
  if (outdated.length > 0) {
    const names = some(outdated.map(({ report }) => report.spec.node));
    return say(
      'False',
      'WaitingForNodes',
      `Waiting for generation ${metadata.generation} of the spec to be carried out on ${names} (${selected.length - outdated.length} of ${selected.length} nodes have it); usually over in less than a second. If not, condition Programmed of their MeshGatewayNodes says why.`,
    );
  }
  const all = selected.length === 1 ? 'The node holds' : `All ${selected.length} nodes hold`;
  return say('True', 'Programmed', `${all} what the resources say.`);
}

/** Whether the node still holds what an earlier generation of the spec said. */
function isOutdated({ report }: GatewayNode, generation = 0): boolean {
  const { gatewayGeneration = generation } = report.status ?? {};
  return gatewayGeneration < generation;
}

/** An agent comes up before its first report, and may see a gateway before the operator's word on it: neither is a failure. */
function isBeginning({ report }: GatewayNode): boolean {
  const condition = findCondition(report.status?.conditions ?? [], 'Programmed');
  return condition === undefined || condition.reason === ('WaitingForGateway' satisfies NodeReason);
}

function reachability({ reports }: Serving): GatewayVerdict {
  const alive = reports.filter((node) => node.alive);
  const failed = alive.filter((node) => statusOf(node, 'ServicesReachable') === 'False');
  if (failed.length > 0)
    return verdict(
      'MeshGateway',
      'ServicesReachable',
      'False',
      'ProbeFailed',
      nodeProblems(failed, 'ServicesReachable'),
    );
  const proven = alive.filter((node) => statusOf(node, 'ServicesReachable') === 'True');
  if (proven.length === 0) {
    return verdict(
      'MeshGateway',
      'ServicesReachable',
      'Unknown',
      'NotProbed',
      'No node has sent a probe through its own gateway yet.',
    );
  }
  return verdict(
    'MeshGateway',
    'ServicesReachable',
    'True',
    'ProbeSucceeded',
    `Probes reach Services through ${proven.length} of ${alive.length} live nodes.`,
  );
}

/** Ready answers "can a device use it": accepted, a way in, and at least one node that was proven to work. */
function readiness(gateway: MeshGateway, verdicts: readonly GatewayVerdict[], serving: Serving): GatewayVerdict {
  const [accepted] = verdicts;
  if (gateway.metadata.deletionTimestamp !== undefined)
    return ready('False', 'CleaningUp', 'Being deleted: waiting for the nodes to remove what they made.');
  if (accepted?.status !== 'True') return ready('False', 'NotAccepted', accepted?.message ?? '');
  if (serving.findings.endpoints.length === 0 && serving.selected.length > 0)
    return ready('False', 'NoEndpoint', noWayIn(serving.findings));
  const names = serving.ready.map(({ report }) => report.spec.node);
  if (names.length === 0) return notServing(verdicts, serving);
  const all = new Set([...serving.selected, ...names]);
  const what = gateway.spec.advertise.services.enabled ? 'Services' : 'what is advertised';
  const others = [...all].filter((name) => !names.includes(name));
  const but = others.length === 0 ? '' : ` Not through ${some(others)}: see Programmed and ServicesReachable.`;
  return ready('True', 'Ready', `${names.length} of ${all.size} nodes let devices reach ${what}.${but}`);
}

function notServing([, programmed, reachable]: readonly GatewayVerdict[], { reports }: Serving): GatewayVerdict {
  if (!reports.some(isProgrammed)) return ready('False', 'NotProgrammed', programmed?.message ?? '');
  return reachable?.status === 'Unknown'
    ? ready('False', 'NotProbed', reachable.message)
    : ready('False', 'ServicesUnreachable', reachable?.message ?? '');
}

function ready(status: 'True' | 'False', reason: Reason<'MeshGateway', 'Ready'>, message: string): GatewayVerdict {
  return verdict('MeshGateway', 'Ready', status, reason, message);
}

function noWayIn({ endpointProblems }: GatewayFindings): string {
  const why = endpointsFound(endpointProblems);
  if (why.status !== 'True') return `Devices have no way in: ${why.message}`;
  return 'Devices have no way in: none of the selected nodes has an address in its status; set spec.endpoint.hosts to a name or address under which devices reach a node.';
}
