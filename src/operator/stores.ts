import { type ClusterMeshAccess, clusterMeshAccessType } from '../api/clustermeshaccess.ts';
import {
  type DaemonSet,
  daemonSetType,
  type Lease,
  leaseType,
  type Namespace,
  type Node,
  namespaceType,
  nodeType,
  type Secret,
  type Service,
  type ServiceCIDR,
  secretType,
  serviceCidrBetaType,
  serviceCidrType,
  serviceType,
} from '../api/core.ts';
import { type MeshAccess, meshAccessType } from '../api/meshaccess.ts';
import { type MeshGateway, meshGatewayType } from '../api/meshgateway.ts';
import { type MeshGatewayNode, meshGatewayNodeType } from '../api/meshgatewaynode.ts';
import { type MeshPeer, meshPeerType } from '../api/meshpeer.ts';
import { GATEWAY_LABEL, PRESHARED_KEY_TYPE, PRESHARED_KEYS_TYPE } from '../api/names.ts';
import type { KubernetesObject, ResourceType } from '../api/resource.ts';
import type { Client } from '../k8s/client.ts';
import type { Selection } from '../k8s/list.ts';
import { type ReflectorNotice, type ReflectorOptions, startReflector } from '../k8s/reflector.ts';
import type { Store } from '../k8s/store.ts';
import type { Transport } from '../k8s/transport.ts';
import { followedServiceType } from '../mesh/access/followed.ts';

/** All that the operator follows but for the Secrets of GatewaySecrets. What it makes itself, it follows in its own namespace only. */
export interface Stores {
  readonly gateways: Store<MeshGateway>;
  readonly peers: Store<MeshPeer>;
  readonly accesses: Store<MeshAccess>;
  readonly clusterAccesses: Store<ClusterMeshAccess>;
  readonly reports: Store<MeshGatewayNode>;
  readonly leases: Store<Lease>;
  readonly nodes: Store<Node>;
  readonly namespaces: Store<Namespace>;
  /** Undefined where the API server has no ServiceCIDR objects (before Kubernetes 1.31, or with the feature off). */
  readonly serviceCidrs: Store<ServiceCIDR> | undefined;
  /** The Services of cluster DNS in kube-system. */
  readonly dnsServices: Store<Service>;
  /** Every Service of the cluster, as far as grants ask for it. */
  readonly clusterServices: Store<Service>;
  /** Each with the preshared key of one peer, made by people. */
  readonly presharedKeys: Store<Secret>;
  /** Each with the preshared keys of a gateway's peers, as its pods mount it. */
  readonly presharedKeySets: Store<Secret>;
  readonly services: Store<Service>;
  readonly daemonSets: Store<DaemonSet>;
}

/** How every cluster that follows the conventions labels its DNS Service, whatever serves it. */
const CLUSTER_DNS_SELECTOR = 'k8s-app=kube-dns';

/** How to follow; notices come with the kind that they are about. */
export interface FollowingOptions extends Pick<ReflectorOptions, 'signal' | 'clock'> {
  readonly onNotice: (notice: ReflectorNotice, type: ResourceType<KubernetesObject>) => void;
}

/** Starts following everything; resolves when each collection has been seen whole once. */
export async function startStores(
  { transport, client }: { readonly transport: Transport; readonly client: Client },
  namespace: string,
  options: FollowingOptions,
): Promise<Stores> {
  const follow = <T extends KubernetesObject>(
    type: ResourceType<T>,
    how: Selection & Pick<ReflectorOptions, 'holds'> = {},
  ) =>
    startReflector(transport, type, {
      ...options,
      ...how,
      onNotice: (notice) => options.onNotice(notice, type),
    }).store;
  const own = { namespace, labelSelector: GATEWAY_LABEL };
  const held = { holds: true };
  const cidrType = await servedServiceCidrType(client);
  const stores: Stores = {
    gateways: follow(meshGatewayType, held),
    peers: follow(meshPeerType, held),
    accesses: follow(meshAccessType, held),
    clusterAccesses: follow(clusterMeshAccessType, held),
    reports: follow(meshGatewayNodeType, { namespace }),
    leases: follow(leaseType, own),
    nodes: follow(nodeType),
    namespaces: follow(namespaceType),
    serviceCidrs: cidrType === undefined ? undefined : follow(cidrType),
    dnsServices: follow(serviceType, { namespace: 'kube-system', labelSelector: CLUSTER_DNS_SELECTOR }),
    clusterServices: follow(followedServiceType),
    presharedKeys: follow(secretType, { namespace, fieldSelector: `type=${PRESHARED_KEY_TYPE}` }),
    presharedKeySets: follow(secretType, { namespace, fieldSelector: `type=${PRESHARED_KEYS_TYPE}` }),
    services: follow(serviceType, own),
    daemonSets: follow(daemonSetType, own),
  };
  await Promise.all(
    Object.values(stores).map((store: Store<KubernetesObject> | undefined) => store?.whenSynced(options.signal)),
  );
  return stores;
}

async function servedServiceCidrType(client: Client) {
  if (await client.discover(serviceCidrType)) return serviceCidrType;
  return (await client.discover(serviceCidrBetaType)) ? serviceCidrBetaType : undefined;
}
