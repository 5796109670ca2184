import type { MeshGateway } from '../api/meshgateway.ts';
import {
  COMPONENT_LABEL,
  childName,
  GATEWAY_LABEL,
  GROUP,
  MANAGED_BY_LABEL,
  NAME_LABEL,
  OPERATOR_MANAGER,
  PRESHARED_KEYS_TYPE,
  PRIVATE_KEY_ENTRY,
  presharedKeysName,
} from '../api/names.ts';
import { ownerReferenceOf } from '../api/owner.ts';
import type { PresharedKey } from '../net/key.ts';
import type { AgentConfig, OperatorConfig } from './config.ts';

/**
 * The objects that the operator makes for one MeshGateway, as whole server-side applies: equal arguments give equal objects, and
 * a field that is left out here is one that the operator does not claim.
 */

/** The port of an agent's health answers, on the node's loopback address. */
export const AGENT_HEALTH_PORT = 9841;

/** On an agent's pod template: another value replaces the pods, so that a changed key reaches every node. */
export const KEY_VERSION_ANNOTATION = `${GROUP}/key-version`;

/** The folders in which an agent finds what its pod mounts. */
export const AGENT_FOLDERS = {
  /** Holds PRIVATE_KEY_ENTRY and nothing else. */
  key: '/etc/sallyport/key',
  /** The preshared keys of peers, a file each; empty while there are none. */
  presharedKeys: '/etc/sallyport/preshared-keys',
  /** Memory: the files that `wg` and `nft` read. */
  scratch: '/run/sallyport',
  /** Memory: the sockets of wireguard-go. */
  wireguardSockets: '/run/wireguard',
  /** The node's /proc/sys/net. Below /proc it would be read-only, whatever the capabilities. */
  sysctls: '/host/proc/sys/net',
} as const;

/** The agents of a gateway, one pod on each of its nodes. `keyVersion` changes when the key does, and must not tell the key. */
export function gatewayDaemonSet(gateway: MeshGateway, config: OperatorConfig, namespace: string, keyVersion?: string) {
  const { agent } = config;
  return {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: childMetadata(gateway, namespace),
    spec: {
      selector: { matchLabels: agentSelector(gateway) },
      // A surplus pod could not start: its predecessor holds the node's ports.
      updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1, maxSurge: 0 } },
      template: {
        metadata: {
          labels: { ...agent.podLabels, ...childLabels(gateway) },
          annotations: {
            ...agent.podAnnotations,
            ...(keyVersion === undefined ? {} : { [KEY_VERSION_ANNOTATION]: keyVersion }),
          },
        },
        spec: agentPod(gateway, agent),
      },
    },
  };
}

/** The Service through which devices dial in, or undefined when the gateway does not ask for one. */
export function gatewayService(gateway: MeshGateway, namespace: string) {
  const { endpoint, listenPort } = gateway.spec;
  if (endpoint.service === undefined) return undefined;
  const { type, annotations, nodePort } = endpoint.service;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...childMetadata(gateway, namespace), ...(annotations === undefined ? {} : { annotations }) },
    spec: {
      type,
      selector: agentSelector(gateway),
      // Keeps the device's own address: it is what other nodes call back, and what reports show.
      externalTrafficPolicy: 'Local',
      ports: [
        {
          name: 'wireguard',
          protocol: 'UDP',
          port: listenPort,
          targetPort: listenPort,
          ...(nodePort === undefined ? {} : { nodePort }),
        },
      ],
    },
  };
}

/** The Secret that holds the private key which all nodes of a gateway share; `privateKey` is its base64 text as `wg genkey` prints it. */
export function gatewayKeySecret(gateway: MeshGateway, namespace: string, privateKey: string) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: childMetadata(gateway, namespace),
    type: 'Opaque',
    // Not stringData: server-side apply would own a field that is never stored.
    data: { [PRIVATE_KEY_ENTRY]: Buffer.from(privateKey, 'utf8').toString('base64') },
  };
}

/** The Secret that brings preshared keys to the nodes of a gateway, by version: as one, so that the pods never change for a peer. */
export function presharedKeysSecret(gateway: MeshGateway, namespace: string, keys: ReadonlyMap<string, PresharedKey>) {
  const entries = [...keys].map(([version, key]) => [version, Buffer.from(key, 'utf8').toString('base64')] as const);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { ...childMetadata(gateway, namespace), name: presharedKeysName(gateway.metadata.name) },
    type: PRESHARED_KEYS_TYPE,
    data: Object.fromEntries(entries),
  };
}

function childMetadata(gateway: MeshGateway, namespace: string) {
  return {
    name: childName(gateway.metadata.name),
    namespace,
    labels: childLabels(gateway),
    ownerReferences: [ownerReferenceOf(gateway)],
  };
}

function childLabels(gateway: MeshGateway) {
  return { ...agentSelector(gateway), [MANAGED_BY_LABEL]: OPERATOR_MANAGER };
}

/** A DaemonSet's selector cannot be changed, so what stands here stays. */
function agentSelector(gateway: MeshGateway) {
  return {
    [NAME_LABEL]: 'sallyport',
    [COMPONENT_LABEL]: 'agent',
    [GATEWAY_LABEL]: gateway.metadata.name,
  };
}

function agentPod(gateway: MeshGateway, agent: AgentConfig) {
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
    // Nothing to drain, since the kernel forwards on without the agent; but a node that is no longer selected is cleaned in this time.
    terminationGracePeriodSeconds: 30,
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
      { name: 'SALLYPORT_GATEWAY', value: gateway.metadata.name },
      { name: 'SALLYPORT_LOG_LEVEL', value: agent.logLevel },
      // Keeps what 10,000 MeshPeers leave behind from a third of the memory, at the same speed.
      { name: 'NODE_OPTIONS', value: '--max-semi-space-size=1' },
    ],
    // Declared so that the scheduler, not a crash, tells of a second holder of these ports on a node.
    ports: [
      hostPort('wireguard', gateway.spec.listenPort, 'UDP'),
      { ...hostPort('health', AGENT_HEALTH_PORT, 'TCP'), hostIP: '127.0.0.1' },
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
    secretName: childName(gateway.metadata.name),
    items: [{ key: PRIVATE_KEY_ENTRY, path: PRIVATE_KEY_ENTRY, mode: 0o400 }],
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
    { name: 'key', mountPath: AGENT_FOLDERS.key, readOnly: true, source: { secret } },
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
