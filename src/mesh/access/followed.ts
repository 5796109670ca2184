import { type Namespace, namespaceType, type Service, serviceType } from '../../api/core.ts';
import type { KubernetesObject, ResourceType } from '../../api/resource.ts';

/** Services as far as grants ask for them: an agent holds every Service of the cluster. */
export const followedServiceType: ResourceType<Service> = {
  ...serviceType,
  parse: (raw) => {
    const { spec, status, ...service } = serviceType.parse(raw);
    const { clusterIPs, type, ports } = spec;
    return { ...named(service), spec: { clusterIPs, type, ports }, status: { loadBalancer: { ingress: [] } } };
  },
};

/** Namespaces as far as selectors ask for them. */
export const followedNamespaceType: ResourceType<Namespace> = {
  ...namespaceType,
  parse: (raw) => named(namespaceType.parse(raw)),
};

function named({ apiVersion, kind, metadata }: KubernetesObject): KubernetesObject {
  const { name, namespace, labels, uid, resourceVersion, creationTimestamp, deletionTimestamp } = metadata;
  return {
    apiVersion,
    kind,
    metadata: { name, namespace, labels, uid, resourceVersion, creationTimestamp, deletionTimestamp },
  };
}
