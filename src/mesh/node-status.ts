import { conditionsFrom, type Reason, type Verdict, verdict } from '../api/conditions.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import {
  type MeshGatewayNodeStatus,
  MOST_WITHOUT_PRESHARED_KEY,
  type ReportedConnection,
} from '../api/meshgatewaynode.ts';
import type { ObjectKey } from '../api/resource.ts';
import { timestamp } from '../api/timestamp.ts';
import type { LocalFacts } from '../dataplane/local-facts.ts';
import type { NodeState } from '../dataplane/node-plan.ts';
import { cidrFamily } from '../net/cidr.ts';

/** Why a node could not be brought to its plan. */
export interface NodeFailure {
  /** What broke: the interface itself, or another step. */
  readonly reason: Extract<
    Reason<'MeshGatewayNode', 'InterfaceUp'>,
    'WireGuardUnavailable' | 'KeyMismatch' | 'ApplyFailed'
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
  readonly probe?: ProbeVerdict | undefined;
  /** Every MeshPeer as of this resourceVersion is in the interface; undefined before the first time. */
  readonly appliedResourceVersion?: string | undefined;
  /** Members in the interface, the probe peer not counted. */
  readonly peers: number;
  readonly connections: readonly ReportedConnection[];
  /** Members whose present preshared key is not in the interface. */
  readonly withoutPresharedKey?: readonly ObjectKey[] | undefined;
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
  const { gateway, facts, state, appliedResourceVersion, connections, withoutPresharedKey = [] } = findings;
  const device = state?.device;
  const generation = gateway.metadata.generation;
  return {
    ...(device === undefined ? {} : { dataplane: device.dataplane, mtu: device.mtu }),
    ...(device?.publicKey === undefined ? {} : { publicKey: device.publicKey }),
    ...(facts === undefined ? {} : { proxyMode: facts.proxyMode }),
    ...(generation === undefined ? {} : { gatewayGeneration: generation }),
    ...(appliedResourceVersion === undefined ? {} : { appliedResourceVersion }),
    peers: findings.peers,
    connected: connections.length,
    ...(withoutPresharedKey.length === 0
      ? {}
      : { withoutPresharedKey: [...withoutPresharedKey].sort().slice(0, MOST_WITHOUT_PRESHARED_KEY) }),
    connections: connections.slice(0, MAX_REPORTED_CONNECTIONS).map((connection) => ({ ...connection })),
    conditions: [...conditionsFrom(verdicts(findings), before?.conditions ?? [], generation ?? 0, timestamp(now))],
  };
}

type NodeVerdict = Verdict<'MeshGatewayNode'>;

function verdicts(findings: NodeFindings): readonly NodeVerdict[] {
  const all = [interfaceUp(findings), forwarding(findings), programmed(findings), services(findings)];
  return all.map((one) => ({ ...one, message: one.message.slice(0, MAX_MESSAGE) }));
}

function interfaceUp({ gateway, state, failure }: NodeFindings): NodeVerdict {
  const say = (status: 'True' | 'False', reason: Reason<'MeshGatewayNode', 'InterfaceUp'>, message: string) =>
    verdict('MeshGatewayNode', 'InterfaceUp', status, reason, message);
  const device = state?.device;
  if (failure !== undefined && (failure.reason !== 'ApplyFailed' || device === undefined))
    return say('False', failure.reason, failure.message);
  if (device?.up !== true) return say('False', 'ApplyFailed', 'The WireGuard interface is not up yet.');
  if (device.dataplane === 'Kernel')
    return say('True', 'KernelWireGuard', `${device.name} is up, served by the kernel.`);
  const why =
    gateway.spec.dataplane === 'Userspace'
      ? 'as spec.dataplane asks'
      : "because the node's kernel has no WireGuard (module wireguard)";
  return say(
    'True',
    'UserspaceWireGuard',
    `${device.name} is up, served by wireguard-go ${why}; it is slower, and sessions end when the agent restarts.`,
  );
}

/** Of the families that the mesh uses here; another one's forwarding is none of ours. */
function forwarding({ state }: NodeFindings): NodeVerdict {
  if (state === undefined)
    return verdict(
      'MeshGatewayNode',
      'ForwardingEnabled',
      'Unknown',
      'NotObserved',
      'The node could not be looked at yet; see InterfaceUp.',
    );
  const usesIpv6 = state?.device?.addresses.some((address) => cidrFamily(address) === 6) ?? false;
  const off = [
    ...(state?.sysctls.forwarding4 === true ? [] : ['net.ipv4.ip_forward']),
    ...(usesIpv6 && state?.sysctls.forwarding6 !== true ? ['net.ipv6.conf.all.forwarding'] : []),
  ];
  return off.length === 0
    ? verdict('MeshGatewayNode', 'ForwardingEnabled', 'True', 'Enabled', 'The node forwards packets.')
    : verdict(
        'MeshGatewayNode',
        'ForwardingEnabled',
        'False',
        'Disabled',
        `The node does not forward packets: ${off.join(' and ')} is off; look for what turns it off (sysctl configuration, another agent).`,
      );
}

function programmed({ gateway, hasPlan, failure, appliedResourceVersion }: NodeFindings): NodeVerdict {
  const say = (status: 'True' | 'False', reason: Reason<'MeshGatewayNode', 'Programmed'>, message: string) =>
    verdict('MeshGatewayNode', 'Programmed', status, reason, message);
  if (gateway.metadata.deletionTimestamp !== undefined)
    return say('False', 'CleaningUp', 'The gateway is being deleted; this node removes what it made.');
  if (failure !== undefined) return say('False', 'ApplyFailed', failure.message);
  if (!hasPlan)
    return say(
      'False',
      'WaitingForGateway',
      `MeshGateway ${gateway.metadata.name} is not accepted; what is on this node stays as it is, but for revoked peers.`,
    );
  if (appliedResourceVersion === undefined)
    return say('False', 'WaitingForGateway', 'The first plan has not been applied yet.');
  return say('True', 'Programmed', 'The kernel holds what the resources say.');
}

function services({ probe }: NodeFindings): NodeVerdict {
  if (probe === undefined || probe.reason === 'NotProbed') {
    return verdict(
      'MeshGatewayNode',
      'ServicesReachable',
      'Unknown',
      'NotProbed',
      probe?.message ?? 'No probe has been sent yet.',
    );
  }
  return { type: 'ServicesReachable', status: probe.reason === 'ProbeSucceeded' ? 'True' : 'False', ...probe };
}
