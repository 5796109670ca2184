import { clusterMeshAccessType } from '../api/clustermeshaccess.ts';
import { meshAccessType } from '../api/meshaccess.ts';
import { meshGatewayType } from '../api/meshgateway.ts';
import { meshGatewayNodeType } from '../api/meshgatewaynode.ts';
import { meshPeerType } from '../api/meshpeer.ts';
import { GATEWAY_LABEL } from '../api/names.ts';
import type { KubernetesObject, ResourceType } from '../api/resource.ts';
import { type ReflectorNotice, type ReflectorOptions, startReflector } from '../k8s/reflector.ts';
import type { Transport } from '../k8s/transport.ts';
import { followedNamespaceType, followedServiceType } from '../mesh/access/followed.ts';
import { membershipOf } from '../mesh/members.ts';

export interface FollowOptions extends Pick<ReflectorOptions, 'signal' | 'clock'> {
  /** The operator's, where nodes report. */
  readonly namespace: string;
  readonly gateway: string;
  /** Is called with the plural of the kind that the notice is about. */
  readonly onNotice?: (plural: string, notice: ReflectorNotice) => void;
}

/**
 * The objects that an agent acts on. A list of devices, gateways or grants that leaves out more than half is not believed at once: what is gone
 * there is taken from the node.
 */
export function followObjects(transport: Transport, { namespace, gateway, onNotice, ...following }: FollowOptions) {
  const follow = <T extends KubernetesObject>(
    type: ResourceType<T>,
    how: Pick<ReflectorOptions, 'holds' | 'namespace' | 'labelSelector'> = {},
  ) => {
    const told = (notice: ReflectorNotice) => onNotice?.(type.plural, notice);
    return startReflector(transport, type, { ...following, ...how, onNotice: told }).store;
  };
  const held = { holds: true };
  return {
    gateways: follow(meshGatewayType, held),
    peers: follow({ ...meshPeerType, parse: (raw: unknown) => membershipOf(meshPeerType.parse(raw)) }, held),
    /** Those of the gateway's nodes. */
    reports: follow(meshGatewayNodeType, { namespace, labelSelector: `${GATEWAY_LABEL}=${gateway}` }),
    /** Follows what decides who may reach what, which takes memory only where access is denied by default. */
    followAccess: () => ({
      accesses: follow(meshAccessType, held),
      clusterAccesses: follow(clusterMeshAccessType, held),
      services: follow(followedServiceType),
      namespaces: follow(followedNamespaceType),
    }),
  };
}
