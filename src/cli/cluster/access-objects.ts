import { clusterMeshAccessType } from '../../api/clustermeshaccess.ts';
import { namespaceType, serviceType } from '../../api/core.ts';
import { meshAccessType } from '../../api/meshaccess.ts';
import { meshGatewayType } from '../../api/meshgateway.ts';
import { type MeshPeer, meshPeerType } from '../../api/meshpeer.ts';
import type { Client } from '../../k8s/client.ts';
import type { AccessObjects } from '../../mesh/access/explain.ts';
import { accessWorld } from '../../mesh/access/world.ts';

/** Everything in the cluster that decides who reaches what, as its nodes see it. */
export async function allAccessObjects(
  client: Client,
  now: number,
): Promise<AccessObjects & { readonly peers: readonly MeshPeer[] }> {
  const [gateways, peers, accesses, clusterAccesses, services, namespaces] = await Promise.all([
    client.list(meshGatewayType),
    client.list(meshPeerType),
    client.list(meshAccessType),
    client.list(clusterMeshAccessType),
    client.list(serviceType),
    client.list(namespaceType),
  ]);
  return {
    gateways: gateways.items,
    peers: peers.items,
    accesses: [...accesses.items, ...clusterAccesses.items],
    world: accessWorld({ namespaces: namespaces.items, peers: peers.items, services: services.items }),
    now,
  };
}
