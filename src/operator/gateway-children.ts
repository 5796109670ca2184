import { daemonSetType, serviceType } from '../api/core.ts';
import { dnsEndpointType } from '../api/dns-endpoint.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { childName } from '../api/names.ts';
import type { KubernetesObject, ObjectKey, ResourceType } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import type { Store } from '../k8s/store.ts';
import type { Publication } from '../mesh/dns-names.ts';
import { type Behind, dnsRecords } from '../mesh/dns-records.ts';
import type { EndpointProblem } from '../mesh/found-endpoint.ts';
import type { AppliedChildren } from './applied-children.ts';
import { gatewayDaemonSet, gatewayDnsEndpoint, gatewayService } from './children.ts';
import type { OperatorConfig } from './config.ts';
import type { DnsEndpoints } from './dns-endpoints.ts';
import type { OfferedChildren } from './offered-children.ts';
import type { Stores } from './stores.ts';

export interface GatewayChildren {
  readonly children: AppliedChildren;
  readonly offered: OfferedChildren;
  readonly client: Client;
  readonly stores: Pick<Stores, 'daemonSets' | 'services'>;
  readonly dnsEndpoints: Pick<DnsEndpoints, 'store'>;
  readonly config: OperatorConfig;
  readonly namespace: string;
}

/** What a gateway's names are to lead to. */
export interface Published {
  readonly publication: Publication | undefined;
  readonly behind: Behind;
}

/** Brings the children of a gateway to what it asks for; resolves with what the API server refuses of its ways in. The nodes are served all the same. */
export async function applyGatewayChildren(
  gateway: MeshGateway,
  { publication, behind }: Published,
  context: GatewayChildren,
): Promise<readonly EndpointProblem[]> {
  const { children, offered, stores, config, namespace } = context;
  await children.apply(daemonSetType, stores.daemonSets, gatewayDaemonSet(gateway, config, namespace));
  const problems: EndpointProblem[] = [];
  const service = gatewayService(gateway, namespace);
  if (service === undefined) await remove(serviceType, stores.services, gateway, context);
  else {
    const refusal = await offered.offer(serviceType, stores.services, service);
    if (refusal !== undefined)
      problems.push({
        reason: 'ServiceRefused',
        message: `The API server refuses the Service of spec.endpoint.service: ${refusal.message}`,
      });
  }
  const refused = await publish(gateway, { publication, behind }, context);
  return refused === undefined ? problems : [...problems, refused];
}

/** Names that lead nowhere at the moment stay as they are; only those that nobody asks for any more go. */
async function publish(
  gateway: MeshGateway,
  { publication, behind }: Published,
  context: GatewayChildren,
): Promise<EndpointProblem | undefined> {
  const { store } = context.dnsEndpoints;
  if (store === undefined) return undefined;
  if (publication === undefined) {
    await remove(dnsEndpointType, store, gateway, context);
    return undefined;
  }
  const records = dnsRecords(publication, behind);
  if (records.length === 0) return undefined;
  const wanted = gatewayDnsEndpoint(gateway, context.namespace, records);
  const refusal = await context.offered.offer(dnsEndpointType, store, wanted);
  if (refusal === undefined) return undefined;
  const message = `The API server refuses the DNSEndpoint of spec.endpoint.dns: ${refusal.message}`;
  return { reason: 'DNSRefused', message };
}

async function remove<T extends KubernetesObject>(
  type: ResourceType<T>,
  store: Store<T>,
  gateway: MeshGateway,
  { client, namespace }: GatewayChildren,
): Promise<void> {
  const name = childName(gateway.metadata.name);
  if (store.get(`${namespace}/${name}` as ObjectKey) !== undefined) await client.delete(type, { name, namespace });
}
