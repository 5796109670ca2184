import { createHash } from 'node:crypto';
import { type DnsRecord, dnsEndpointType } from '../api/dns-endpoint.ts';
import { EXTERNAL_DNS_HOSTNAME, EXTERNAL_DNS_TTL } from '../api/endpoint-fields.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshGatewayNode } from '../api/meshgatewaynode.ts';
import {
  COMPONENT_LABEL,
  childName,
  GATEWAY_LABEL,
  gatewayKeysName,
  KEY_REQUEST_ANNOTATION,
  KEYS_ANNOTATION,
  MANAGED_BY_LABEL,
  NAME_LABEL,
  OPERATOR_MANAGER,
  PRESHARED_KEYS_TYPE,
  PRIVATE_KEY_ENTRY,
  presharedKeysName,
} from '../api/names.ts';
import { ownerReferenceOf } from '../api/owner.ts';
import { apiVersionOf } from '../api/resource.ts';
import { publishedBy } from '../mesh/dns-names.ts';
import { secondPort } from '../mesh/key-slots.ts';
import { keyFileName, type PresharedKey, type PrivateKey, type PublicKey } from '../net/key.ts';
import { agentPod, leavingPod } from './agent-pod.ts';
import type { OperatorConfig } from './config.ts';

/**
 * The objects that the operator makes for one MeshGateway, as whole server-side applies: equal arguments give equal objects, and
 * a field that is left out here is one that the operator does not claim.
 */

/** The agents of a gateway, one pod on each of its nodes. No key of the gateway changes it, so that none replaces a pod. */
export function gatewayDaemonSet(gateway: MeshGateway, config: OperatorConfig, namespace: string) {
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
          annotations: agent.podAnnotations,
        },
        spec: agentPod(gateway, agent),
      },
    },
  };
}

/**
 * Cleans a node that a gateway no longer selects and whose agent is dead. The node's report owns it: once the node is clean the
 * report goes, and the garbage collector takes the Job with it.
 */
export function leaveJob(gateway: MeshGateway, report: MeshGatewayNode, config: OperatorConfig, namespace: string) {
  const labels = { ...agentSelector(gateway), [COMPONENT_LABEL]: 'leave', [MANAGED_BY_LABEL]: OPERATOR_MANAGER };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: leaveJobName(report.metadata.name),
      namespace,
      labels,
      ownerReferences: [ownerReferenceOf(report, 'MeshGatewayNode')],
    },
    spec: {
      ttlSecondsAfterFinished: 30,
      template: {
        metadata: { labels, annotations: config.agent.podAnnotations },
        spec: leavingPod(gateway, config.agent, report.spec.node),
      },
    },
  };
}

/** The Service through which devices dial in, or undefined when the gateway does not ask for one. */
export function gatewayService(gateway: MeshGateway, namespace: string) {
  const { endpoint, listenPort, keyRotation } = gateway.spec;
  if (endpoint.service === undefined) return undefined;
  const { type, nodePort, ipFamilyPolicy } = endpoint.service;
  const annotations = { ...endpoint.service.annotations, ...namesOfService(gateway) };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      ...childMetadata(gateway, namespace),
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec: {
      type,
      selector: agentSelector(gateway),
      // Only nodes with a ready agent get packets, and for a load balancer the API server allocates the health check node port by which it
      // learns which these are. And it keeps the device's own address: it is what other nodes call back, and what reports show.
      externalTrafficPolicy: 'Local',
      ...(ipFamilyPolicy === undefined ? {} : { ipFamilyPolicy }),
      // Both from the beginning: a load balancer may take minutes to open another one.
      ports: [
        udpPort('wireguard', listenPort, nodePort),
        udpPort('wireguard-2', secondPort(gateway.spec), keyRotation.nodePort),
      ],
    },
  };
}

/** What external-dns reads on a Service. */
function namesOfService({ spec: { endpoint } }: MeshGateway): Readonly<Record<string, string>> {
  if (endpoint.dns === undefined || publishedBy(endpoint) !== 'Service') return {};
  const { hostnames, ttlSeconds } = endpoint.dns;
  return { [EXTERNAL_DNS_HOSTNAME]: hostnames.join(','), [EXTERNAL_DNS_TTL]: String(ttlSeconds) };
}

/** The records that external-dns is asked to publish. */
export function gatewayDnsEndpoint(gateway: MeshGateway, namespace: string, endpoints: readonly DnsRecord[]) {
  return {
    apiVersion: apiVersionOf(dnsEndpointType),
    kind: dnsEndpointType.kind,
    metadata: childMetadata(gateway, namespace),
    spec: { endpoints },
  };
}

function udpPort(name: string, port: number, nodePort: number | undefined) {
  return { name, protocol: 'UDP', port, targetPort: port, ...(nodePort === undefined ? {} : { nodePort }) };
}

/** The Secret that holds the private key which all nodes of a gateway share; `privateKey` is its base64 text as `wg genkey` prints it. */
export function gatewayKeySecret(gateway: MeshGateway, namespace: string, privateKey: string) {
  const { request } = gateway.spec.keyRotation;
  const annotations = request === undefined ? {} : { annotations: { [KEY_REQUEST_ANNOTATION]: request } };
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { ...childMetadata(gateway, namespace), ...annotations },
    type: 'Opaque',
    // Not stringData: server-side apply would own a field that is never stored.
    data: { [PRIVATE_KEY_ENTRY]: Buffer.from(privateKey, 'utf8').toString('base64') },
  };
}

/** The Secret that brings a gateway's keys to its nodes, each under a name that stands for it alone; `record` says which is what. */
export function gatewayKeysSecret(
  gateway: MeshGateway,
  namespace: string,
  { keys, record }: { readonly keys: ReadonlyMap<PublicKey, PrivateKey>; readonly record: string },
) {
  const entries = [...keys].map(([publicKey, privateKey]) => [
    keyFileName(publicKey),
    Buffer.from(privateKey, 'utf8').toString('base64'),
  ]);
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      ...childMetadata(gateway, namespace),
      name: gatewayKeysName(gateway.metadata.name),
      annotations: { [KEYS_ANNOTATION]: record },
    },
    type: 'Opaque',
    data: Object.fromEntries(entries),
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

/** Node names are longer than a Job's may be. */
function leaveJobName(report: string): string {
  return `sallyport-leave-${createHash('sha256').update(report).digest('hex').slice(0, 16)}`;
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
