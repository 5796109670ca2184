import type { MeshGateway } from '../api/meshgateway.ts';
import { gatewayKeysName, presharedKeysName } from '../api/names.ts';
import { secondPort } from '../mesh/key-slots.ts';
import { ENDING_MOST_MS } from '../mesh/takeover/release.ts';
import type { AgentConfig } from './config.ts';

/** The port of an agent's health answers, on the node's loopback address. */
export const AGENT_HEALTH_PORT = 9841;

/** The folders in which an agent finds what its pod mounts. */
export const AGENT_FOLDERS = {
  /** The gateway's private keys, a file each, under names that `keyFileName` gives: one, or two while one takes the other's place. */
  keys: '/etc/sallyport/keys',
  /** The preshared keys of peers, a file each; empty while there are none. */
  presharedKeys: '/etc/sallyport/preshared-keys',
  /** Memory: the files that `wg` and `nft` read. */
  scratch: '/run/sallyport',
  /** Memory: the sockets of wireguard-go. */
  wireguardSockets: '/run/wireguard',
  /** The node's /proc/sys/net. Below /proc it would be read-only, whatever the capabilities. */
  sysctls: '/host/proc/sys/net',
} as const;

/** The pod that runs an agent on each node of a gateway. */
export function agentPod(gateway: MeshGateway, agent: AgentConfig) {
  return {
    serviceAccountName: agent.serviceAccountName,
    hostNetwork: true,
    // The API server is known by its address; names that the agent asks cluster DNS for go through the tunnel.
    dnsPolicy: 'Default',
    enableServiceLinks: false,
    nodeSelector: { ...gateway.spec.nodeSelector, 'kubernetes.io/os': 'linux' },
    tolerations: gateway.spec.tolerations,
    ...(agent.priorityClassName === '' ? {} : { priorityClassName: agent.priorityClassName }),
    ...(agent.imagePullSecrets.length === 0
      ? {}
      : { imagePullSecrets: agent.imagePullSecrets.map((name) => ({ name })) }),
    // With kernel WireGuard there is nothing to drain. Where wireguard-go ends, or the node is no longer selected and is to be cleaned, connections are given
    // spec.takeover.drain, of which the agent takes no more than fits; not that itself, since every change of it would roll the agents.
    terminationGracePeriodSeconds: ENDING_MOST_MS / 1000 + 20,
    securityContext: {
      // Capabilities of a container are effective for root only; NET_ADMIN is the one it has.
      runAsUser: 0,
      runAsGroup: 0,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    containers: [agentContainer(gateway, agent)],
    volumes: agentMounts(gateway).map(({ name, source }) => ({ name, ...source })),
  };
}

/**
 * The pod that takes off one node what a gateway left there, and ends. It goes past the scheduler, since the node may be drained
 * or tainted, and is no longer among those that the gateway selects; it opens no port, so it runs beside the agent of another gateway.
 */
export function leavingPod(gateway: MeshGateway, agent: AgentConfig, node: string) {
  const { nodeSelector, containers, ...pod } = agentPod(gateway, agent);
  return {
    ...pod,
    nodeName: node,
    tolerations: [{ operator: 'Exists' }],
    restartPolicy: 'OnFailure',
    containers: containers.map(({ ports, livenessProbe, readinessProbe, command, ...container }) => ({
      ...container,
      command: [...command, 'leave'],
    })),
  };
}

function agentContainer(gateway: MeshGateway, agent: AgentConfig) {
  return {
    name: 'agent',
    image: agent.image,
    imagePullPolicy: agent.imagePullPolicy,
    command: ['node', '/app/agent.mjs'],
    env: [
      { name: 'NODE_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'spec.nodeName' } } },
      { name: 'POD_NAME', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } },
      { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } } },
      // The node's own, for the pod is in its network.
      { name: 'POD_IPS', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIPs' } } },
      { name: 'SALLYPORT_GATEWAY', value: gateway.metadata.name },
      { name: 'SALLYPORT_LOG_LEVEL', value: agent.logLevel },
      // Keeps what 10,000 MeshPeers leave behind from a third of the memory, at the same speed.
      { name: 'NODE_OPTIONS', value: '--max-semi-space-size=1' },
      ...metricsEnvironment(agent),
    ],
    // Declared so that the scheduler, not a crash, tells of a second holder of these ports on a node.
    ports: [
      hostPort('wireguard', gateway.spec.listenPort, 'UDP'),
      hostPort('wireguard-2', secondPort(gateway.spec), 'UDP'),
      { ...hostPort('health', AGENT_HEALTH_PORT, 'TCP'), hostIP: '127.0.0.1' },
      ...metricsPorts(agent),
    ],
    // No CPU limit: throttling would delay revocation. The memory limit includes wireguard-go where it runs.
    resources: agent.resources,
    securityContext: {
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      privileged: false,
      capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] },
    },
    livenessProbe: { ...healthProbe('/healthz'), initialDelaySeconds: 10, periodSeconds: 20, failureThreshold: 3 },
    readinessProbe: { ...healthProbe('/readyz'), periodSeconds: 5, failureThreshold: 2 },
    volumeMounts: agentMounts(gateway).map(({ name, mountPath, readOnly }) => ({ name, mountPath, readOnly })),
  };
}

/** Loopback always, for whoever forwards a port to the pod; the node's own address only where it is asked for. */
function metricsEnvironment({ metrics: { listen, port, devices, sources } }: AgentConfig) {
  if (listen === 'None') return [];
  const always = [
    { name: 'SALLYPORT_METRICS_PORT', value: String(port) },
    { name: 'SALLYPORT_METRICS_DEVICES', value: String(devices) },
  ];
  if (listen === 'Loopback') return [...always, { name: 'SALLYPORT_METRICS_HOSTS', value: '127.0.0.1' }];
  return [
    ...always,
    { name: 'POD_IP', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'status.podIP' } } },
    { name: 'SALLYPORT_METRICS_HOSTS', value: '127.0.0.1,$(POD_IP)' },
    { name: 'SALLYPORT_METRICS_SOURCES', value: sources.join(',') },
  ];
}

/**
 * PodMonitors find the port by its name. On loopback nobody looks for it, and whether the agent can answer there must not decide
 * whether the node has an agent, as the scheduler would where another pod has the port.
 */
function metricsPorts({ metrics: { listen, port } }: AgentConfig) {
  return listen === 'Node' ? [hostPort('metrics', port, 'TCP')] : [];
}

function hostPort(name: string, port: number, protocol: 'UDP' | 'TCP') {
  return { name, containerPort: port, hostPort: port, protocol };
}

function healthProbe(path: string) {
  return {
    httpGet: { host: '127.0.0.1', port: AGENT_HEALTH_PORT, path, scheme: 'HTTP' },
    timeoutSeconds: 5,
  };
}

/** A volume and where it is mounted. */
interface AgentMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly: boolean;
  readonly source: Readonly<Record<string, unknown>>;
}

function agentMounts(gateway: MeshGateway): readonly AgentMount[] {
  const secret = {
    secretName: gatewayKeysName(gateway.metadata.name),
    defaultMode: 0o400,
    optional: false,
  };
  const presharedKeys = {
    secretName: presharedKeysName(gateway.metadata.name),
    defaultMode: 0o400,
    optional: true,
  };
  const memory = { emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } };
  const sysctls = { hostPath: { path: '/proc/sys/net', type: 'Directory' } };
  const mounts: AgentMount[] = [
    { name: 'keys', mountPath: AGENT_FOLDERS.keys, readOnly: true, source: { secret } },
    {
      name: 'preshared-keys',
      mountPath: AGENT_FOLDERS.presharedKeys,
      readOnly: true,
      source: { secret: presharedKeys },
    },
    { name: 'scratch', mountPath: AGENT_FOLDERS.scratch, readOnly: false, source: memory },
    { name: 'wireguard-sockets', mountPath: AGENT_FOLDERS.wireguardSockets, readOnly: false, source: memory },
    { name: 'sysctls', mountPath: AGENT_FOLDERS.sysctls, readOnly: false, source: sysctls },
  ];
  return gateway.spec.dataplane === 'Kernel' ? mounts : [...mounts, TUN_MOUNT];
}

/**
 * What wireguard-go needs, /dev/net/tun, by its folder. Mounting the device itself would keep the pod from starting on a node
 * without it, although the kernel's WireGuard may be all that node needs; and where it is missing, the agent can say so.
 */
const TUN_MOUNT: AgentMount = {
  name: 'tun',
  mountPath: '/dev/net',
  readOnly: false,
  source: { hostPath: { path: '/dev/net', type: 'DirectoryOrCreate' } },
};
