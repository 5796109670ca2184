import { clusterMeshAccessType } from '../../api/clustermeshaccess.ts';
import { findCondition } from '../../api/conditions.ts';
import { namespaceType, type Service, serviceType } from '../../api/core.ts';
import { meshAccessType } from '../../api/meshaccess.ts';
import { meshGatewayType } from '../../api/meshgateway.ts';
import { meshPeerType } from '../../api/meshpeer.ts';
import { keyOf } from '../../api/resource.ts';
import type { Client } from '../../k8s/client.ts';
import { type AccessAnswer, type AccessObjects, explainAccess } from '../../mesh/access/explain.ts';
import { accessWorld } from '../../mesh/access/world.ts';
import { UserError } from '../output.ts';
import { allAccessObjects } from './access-objects.ts';

interface Named {
  readonly namespace: string;
  readonly name: string;
}

/** Which device asks for which Service; without a port, by name or number, for all of its ports. */
export interface AskedAccess {
  readonly peer: Named;
  readonly service: Named;
  readonly port: string | undefined;
}

/** What is said of one port. */
export interface PortAnswer {
  readonly port: number;
  readonly protocol: string;
  readonly gateways: readonly AccessAnswer[];
}

/**
 * Whether a device may reach a Service through each gateway, by the function that makes the nodes' rules. It reads no more of the cluster
 * than these two objects, their namespaces, the gateways and the grants that may be about them; and everything where grants say that
 * they open less than they mean, because what there is no room for depends on all of them. @throws {UserError}
 */
export async function explained(client: Client, asked: AskedAccess, now: number): Promise<readonly PortAnswer[]> {
  const { namespace } = asked.service;
  const [peer, service, home, place, gateways, accesses, clusterAccesses] = await Promise.all([
    client.get(meshPeerType, asked.peer.name, asked.peer.namespace),
    client.get(serviceType, asked.service.name, namespace),
    client.get(namespaceType, asked.peer.namespace),
    client.get(namespaceType, namespace),
    client.list(meshGatewayType),
    client.list(meshAccessType, { namespace }),
    client.list(clusterMeshAccessType),
  ]);
  if (peer === undefined) throw new UserError(`there is no MeshPeer ${keyOf(asked.peer)}: kubectl get meshpeers -A`);
  if (service === undefined)
    throw new UserError(
      `there is no Service ${asked.service.name} in namespace ${namespace}: kubectl get services -n ${namespace}`,
    );
  const namespaces = [home, place].flatMap((one) => one ?? []);
  const world = accessWorld({ namespaces, peers: [peer], services: [service] });
  const few = { gateways: gateways.items, accesses: [...accesses.items, ...clusterAccesses.items], world, now };
  const objects = isCut(few) ? await allAccessObjects(client, now) : few;
  return portsAsked(service, asked.port).map((port) => ({
    port: port.port,
    protocol: port.protocol,
    gateways: explainAccess({ peer, service, port }, objects),
  }));
}

/** Whether some grant, or all of them together, open less than they mean. */
function isCut({ gateways, accesses }: Pick<AccessObjects, 'gateways' | 'accesses'>): boolean {
  return (
    gateways.some(({ status }) => findCondition(status?.conditions ?? [], 'GrantsOpened')?.status === 'False') ||
    accesses.some(({ status }) => findCondition(status?.conditions ?? [], 'Resolved')?.reason === 'PartlyResolved')
  );
}

function portsAsked(service: Service, asked: string | undefined): Service['spec']['ports'] {
  const { ports } = service.spec;
  const found =
    asked === undefined ? ports : ports.filter(({ name, port }) => name === asked || String(port) === asked);
  if (found.length > 0) return found;
  const known = ports.map(({ name, port, protocol }) => `${port}/${protocol}${name === undefined ? '' : ` (${name})`}`);
  throw new UserError(
    `Service ${keyOf(service.metadata)} has no port ${asked ?? ''}; it has ${known.join(', ') || 'none at all'}`,
  );
}
