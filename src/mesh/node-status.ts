import { conditionsFrom, type Reason, type Verdict, verdict } from '../api/conditions.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import {
  type Liveness,
  type MeshGatewayNodeStatus,
  MOST_WITHOUT_PRESHARED_KEY,
  type ReportedConnection,
} from '../api/meshgatewaynode.ts';
import type { ObjectKey } from '../api/resource.ts';
import { timestamp } from '../api/timestamp.ts';
import type { LocalFacts } from '../dataplane/local-facts.ts';
import type { ForeignRuleset } from '../dataplane/nftables/foreign.ts';
import type { NodeState } from '../dataplane/node-plan.ts';
import type { ObservedDevice } from '../dataplane/wireguard/device.ts';
import type { Family } from '../net/address.ts';
import { cidrFamily } from '../net/cidr.ts';
import type { PublicKey } from '../net/key.ts';
import type { AnyAccess } from './access/resolve.ts';
import { type TrackingStanding, trackingVerdict } from './connection-tracking.ts';
import { firewallBeforeAnswers, foreignFirewall } from './foreign-firewall.ts';
import { grantsVerdict } from './grants-opened.ts';

/** Why a node could not be brought to its plan. */
export interface NodeFailure {
  /** What broke: the interface itself, or another step. */
  readonly reason: Extract<
    Reason<'MeshGatewayNode', 'InterfaceUp'>,
    'WireGuardUnavailable' | 'KeyMismatch' | 'PortBusy' | 'ProgramMissing' | 'ApplyFailed'
  >;
  /** A sentence with the remedy. */
  readonly message: string;
}

/** What the last probe through the node's own gateway found. */
export interface ProbeVerdict {
  readonly reason: Reason<'MeshGatewayNode', 'ServicesReachable'>;
  readonly message: string;
}

/** Everything an agent's report is made from. */
export interface NodeFindings {
  readonly gateway: MeshGateway;
  /** Whether the operator has accepted the gateway, so that there is a plan. */
  readonly hasPlan: boolean;
  readonly facts?: LocalFacts | undefined;
  readonly state?: NodeState | undefined;
  readonly failure?: NodeFailure | undefined;
  /** Why what the node holds is undone again and again, in sentences. */
  readonly contested?: string | undefined;
  readonly probe?: ProbeVerdict | undefined;
  /** What harms no device yet: why they get no configuration from this node, or why it does not serve the gateway's next key. */
  readonly unanswered?: string | undefined;
  /** Why connections that are let in no more go on, in a sentence. */
  readonly unended?: string | undefined;
  /** What other programs filter, as of the last look. */
  readonly foreign?: ForeignRuleset | undefined;
  /** Every MeshPeer as of this resourceVersion is in the interface; undefined before the first time. */
  readonly appliedResourceVersion?: string | undefined;
  /** The generation of the gateway's spec that the node holds; undefined before the first time. */
  readonly appliedGeneration?: number | undefined;
  /** Whether not everything that grants access has been seen, without which nothing that follows from the spec can be carried out. */
  readonly waitsForGrants?: boolean | undefined;
  /** Members in the interface, the probe peer not counted. */
  readonly peers: number;
  readonly connections: readonly ReportedConnection[];
  /** Members whose present preshared key is not in the interface. */
  readonly withoutPresharedKey?: readonly ObjectKey[] | undefined;
  /** The key that the node serves beside the one that devices are told. */
  readonly otherKey?: PublicKey | undefined;
  /** How the node's connection tracking stands; undefined before the first look. */
  readonly tracking?: TrackingStanding | undefined;
  /** Grants of which the node leaves something out because there are too many; undefined before it has seen them all. */
  readonly cutGrants?: readonly AnyAccess[] | undefined;
  /** How this node and the others live, as it sees them. */
  readonly liveness?: Liveness | undefined;
}

/** A report holds no more sessions than this, so that it stays far below what the API server stores. */
const MAX_REPORTED_CONNECTIONS = 4096;

/** What a program printed may be long; the API server refuses a condition of more than 32768 characters. */
const MAX_MESSAGE = 4096;

/** What an agent says about its node; `before` is what it said last. `now` is in milliseconds since the epoch. */
export function judgeNode(
  findings: NodeFindings,
  before: MeshGatewayNodeStatus | undefined,
  now: number,
): MeshGatewayNodeStatus {
  const { facts, state, appliedResourceVersion, appliedGeneration, connections, otherKey } = findings;
  const { withoutPresharedKey = [] } = findings;
  const device = state?.device;
  return {
    ...(device === undefined ? {} : { dataplane: device.dataplane, mtu: device.mtu }),
    ...(device?.publicKey === undefined ? {} : { publicKey: device.publicKey }),
    ...(otherKey === undefined ? {} : { otherPublicKey: otherKey }),
    ...(facts === undefined ? {} : { proxyMode: facts.proxyMode }),
    ...(appliedGeneration === undefined ? {} : { gatewayGeneration: appliedGeneration }),
    ...(appliedResourceVersion === undefined ? {} : { appliedResourceVersion }),
    peers: findings.peers,
    connected: connections.length,
    ...(withoutPresharedKey.length === 0
      ? {}
      : { withoutPresharedKey: [...withoutPresharedKey].sort().slice(0, MOST_WITHOUT_PRESHARED_KEY) }),
    connections: connections.slice(0, MAX_REPORTED_CONNECTIONS).map((connection) => ({ ...connection })),
    ...(findings.liveness === undefined ? {} : { liveness: findings.liveness }),
    conditions: [
      ...conditionsFrom(verdicts(findings), before?.conditions ?? [], generationOf(findings), timestamp(now)),
    ],
  };
}

/** The generation of the gateway that the conditions speak of: the one that the node holds, or that it does not get to hold. */
function generationOf({ gateway, hasPlan, failure, appliedGeneration }: NodeFindings): number {
  const { generation = 0, deletionTimestamp } = gateway.metadata;
  const follows = hasPlan && failure === undefined && deletionTimestamp === undefined;
  return follows ? (appliedGeneration ?? generation) : generation;
}

type NodeVerdict = Verdict<'MeshGatewayNode'>;

function verdicts(findings: NodeFindings): readonly NodeVerdict[] {
  const firewall = firewallInTheWay(findings);
  const grants = grantsVerdict(findings.gateway, findings.cutGrants);
  const all = [
    interfaceUp(findings),
    forwarding(findings, firewall),
    programmed(findings),
    services(findings, firewall),
    trackingVerdict(findings.tracking),
    ...(grants === undefined ? [] : [grants]),
  ];
  return all.map((one) => ({ ...one, message: one.message.slice(0, MAX_MESSAGE) }));
}

/** Failures that say nothing of an interface which is there. */
const MAY_SPARE_INTERFACE: ReadonlySet<NodeFailure['reason']> = new Set(['ApplyFailed', 'ProgramMissing']);

function interfaceUp(findings: NodeFindings): NodeVerdict {
  const { gateway, state, failure, unanswered = unansweredBehindFirewall(findings) } = findings;
  const say = (status: 'True' | 'False', reason: Reason<'MeshGatewayNode', 'InterfaceUp'>, message: string) =>
    verdict('MeshGatewayNode', 'InterfaceUp', status, reason, message);
  const but = unanswered === undefined ? '' : ` ${unanswered}`;
  const device = state?.device;
  if (failure !== undefined && (!MAY_SPARE_INTERFACE.has(failure.reason) || device === undefined))
    return say('False', failure.reason, failure.message);
  if (device?.up !== true) return say('False', 'ApplyFailed', 'The WireGuard interface is not up yet.');
  if (device.dataplane === 'Kernel')
    return say('True', 'KernelWireGuard', `${device.name} is up, served by the kernel.${but}`);
  const why =
    gateway.spec.dataplane === 'Userspace'
      ? 'as spec.dataplane asks'
      : "because the node's kernel has no WireGuard (module wireguard)";
  return say(
    'True',
    'UserspaceWireGuard',
    `${device.name} is up, served by wireguard-go ${why}; it is slower, and sessions end when the agent restarts.${but}`,
  );
}

/** Of the families that the mesh uses here; another one's forwarding is none of ours. */
function forwarding({ gateway, facts, state }: NodeFindings, firewall: string | undefined): NodeVerdict {
  const say = (
    status: 'True' | 'False' | 'Unknown',
    reason: Reason<'MeshGatewayNode', 'ForwardingEnabled'>,
    message: string,
  ) => verdict('MeshGatewayNode', 'ForwardingEnabled', status, reason, message);
  if (state === undefined)
    return say('Unknown', 'NotObserved', 'The node could not be looked at yet; see InterfaceUp.');
  const off = [
    ...(state.sysctls.forwarding4 ? [] : ['net.ipv4.ip_forward']),
    ...(meshFamilies(state).includes(6) && state.sysctls.forwarding6 !== true ? ['net.ipv6.conf.all.forwarding'] : []),
  ];
  if (off.length > 0)
    return say(
      'False',
      'Disabled',
      `The node does not forward packets: ${off.join(' and ')} is off; look for what turns it off (sysctl configuration, another agent).`,
    );
  if (firewall !== undefined) return say('False', 'ForeignFirewall', firewall);
  const pool6 = gateway.status?.pool?.find((cidr) => cidr.includes(':'));
  if (facts?.ipv6 !== false || pool6 === undefined) return say('True', 'Enabled', 'The node forwards packets.');
  const why =
    state.sysctls.forwarding6 === undefined ? 'its kernel has none' : 'sysctl net.ipv6.conf.*.disable_ipv6 is 1';
  return say(
    'True',
    'SingleFamily',
    `IPv6 is off on this node (${why}), so devices reach nothing of the mesh's IPv6 range ${pool6} through it; IPv4 is served. Turn IPv6 on, or leave that range out of pool.cidrs in the chart's values.`,
  );
}

function meshFamilies(state: NodeState | undefined): readonly Family[] {
  return [...new Set(state?.device?.addresses.map(cidrFamily))];
}

const FAILING = { HandshakeFailed: 'handshake', DNSFailed: 'services', TCPFailed: 'services' } as const;

/** The probe proves the interface of the key that devices are told; the other one's packets are judged by its own sessions alone. */
function firewallInTheWay({ state, probe, foreign, connections }: NodeFindings): string | undefined {
  const { device, other } = state ?? {};
  if (foreign === undefined || device === undefined) return undefined;
  const reason = probe?.reason;
  const families = meshFamilies(state);
  const place = ({ name, listenPort }: ObservedDevice) => ({ device: name, listenPort, families });
  const own = foreignFirewall(foreign, {
    ...place(device),
    failing: reason !== undefined && reason in FAILING ? FAILING[reason as keyof typeof FAILING] : undefined,
    hasSessions: connections.some(({ byOtherKey }) => byOtherKey !== true),
  });
  if (own !== undefined || other === undefined) return own;
  const hasSessions = connections.some(({ byOtherKey }) => byOtherKey === true);
  return foreignFirewall(foreign, { ...place(other.device), hasSessions });
}

function unansweredBehindFirewall({ state, foreign }: NodeFindings): string | undefined {
  const { device } = state ?? {};
  if (foreign === undefined || device === undefined) return undefined;
  const { name, listenPort } = device;
  return firewallBeforeAnswers(foreign, { device: name, listenPort, families: meshFamilies(state) });
}

function programmed(findings: NodeFindings): NodeVerdict {
  const { gateway, hasPlan, failure, contested, unended, appliedResourceVersion } = findings;
  const say = (status: 'True' | 'False', reason: Reason<'MeshGatewayNode', 'Programmed'>, message: string) =>
    verdict('MeshGatewayNode', 'Programmed', status, reason, message);
  if (gateway.metadata.deletionTimestamp !== undefined)
    return say('False', 'CleaningUp', 'The gateway is being deleted; this node removes what it made.');
  if (failure !== undefined) {
    const reason = failure.reason === 'ProgramMissing' ? failure.reason : 'ApplyFailed';
    return say('False', reason, failure.message);
  }
  if (!hasPlan)
    return say(
      'False',
      'WaitingForGateway',
      `MeshGateway ${gateway.metadata.name} is not accepted; what is on this node stays as it is, but for revoked peers.`,
    );
  if (appliedResourceVersion === undefined)
    return say('False', 'WaitingForGateway', 'The first plan has not been applied yet.');
  if (contested !== undefined) return say('False', 'Contested', contested);
  const but =
    unended === undefined
      ? ''
      : ` But connections that are let in no more could not be ended and may go on; it is tried again: ${unended}`;
  return say('True', 'Programmed', `${held(findings)}${but}`);
}

function held({ gateway, appliedGeneration, waitsForGrants }: NodeFindings): string {
  const { name, generation } = gateway.metadata;
  if (appliedGeneration === undefined || appliedGeneration === generation)
    return 'The kernel holds what the resources say.';
  const until =
    waitsForGrants === true ? ', until every MeshAccess, ClusterMeshAccess, Service and Namespace has been seen' : '';
  return `The kernel holds what generation ${appliedGeneration} of MeshGateway ${name} said; generation ${generation} is not carried out yet${until}.`;
}

function services({ probe }: NodeFindings, firewall: string | undefined): NodeVerdict {
  if (probe === undefined || probe.reason === 'NotProbed') {
    return verdict(
      'MeshGatewayNode',
      'ServicesReachable',
      'Unknown',
      'NotProbed',
      probe?.message ?? 'No probe has been sent yet.',
    );
  }
  if (probe.reason === 'ProbeSucceeded') return { type: 'ServicesReachable', status: 'True', ...probe };
  const message = firewall === undefined ? probe.message : `${probe.message} ${firewall}`;
  return { type: 'ServicesReachable', status: 'False', reason: probe.reason, message };
}
