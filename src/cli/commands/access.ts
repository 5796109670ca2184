import { type Namespace, namespaceType, type Service, serviceType } from '../../api/core.ts';
import { meshAccessType } from '../../api/meshaccess.ts';
import { meshGatewayType } from '../../api/meshgateway.ts';
import { type MeshPeer, meshPeerType } from '../../api/meshpeer.ts';
import { keyOf } from '../../api/resource.ts';
import type { Client } from '../../k8s/client.ts';
import { accessOf } from '../../mesh/access/access.ts';
import { type AccessAnswer, explainAccess } from '../../mesh/access/explain.ts';
import { accessGateway, accessMembers, accessWorld } from '../../mesh/access/world.ts';
import { peerTable } from '../../mesh/peer-table.ts';
import { topology } from '../../mesh/topology.ts';
import type { ConnectedCluster } from '../cluster/connect.ts';
import { print, UserError } from '../output.ts';
import { aligned } from '../table.ts';

type Format = 'text' | 'json';

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const SERVICE = new RegExp(`^(${LABEL})\\.(${LABEL})(?:\\.svc(?:\\.[a-z0-9.-]+)?)?(?::([a-z0-9-]+))?$`);

/**
 * `sallyport access explain`: whether a device may reach a Service and because of which object, by the function that makes the nodes'
 * rules. Exit status: 0 when it may reach every port that was asked about through some gateway, 3 when not. @throws {UserError}
 */
export async function explain(
  { client, namespace: own }: Pick<ConnectedCluster, 'client' | 'namespace'>,
  asked: { readonly peer: string; readonly service: string; readonly output: Format },
  now: number,
): Promise<number> {
  const [name = '', peerNamespace = own] = asked.peer.split('/').reverse();
  const [, serviceName, namespace, port] = SERVICE.exec(asked.service) ?? [];
  if (serviceName === undefined || namespace === undefined)
    throw new UserError(`"${asked.service}" is not NAME.NAMESPACE or NAME.NAMESPACE:PORT, such as hello.demo:80`);
  const [peer, service, home, gateways, accesses] = await Promise.all([
    client.get(meshPeerType, name, peerNamespace),
    client.get(serviceType, serviceName, namespace),
    client.get(namespaceType, peerNamespace),
    client.list(meshGatewayType),
    client.list(meshAccessType, { namespace }),
  ]);
  if (peer === undefined)
    throw new UserError(`there is no MeshPeer ${peerNamespace}/${name}: kubectl get meshpeers -A`);
  if (service === undefined)
    throw new UserError(
      `there is no Service ${serviceName} in namespace ${namespace}: kubectl get services -n ${namespace}`,
    );
  const namespaces: readonly Namespace[] = home === undefined ? [] : [home];
  const world = accessWorld({ namespaces, peers: [peer], services: [service] });
  const answers = portsAsked(service, port).map((one) => ({
    port: one.port,
    protocol: one.protocol,
    gateways: explainAccess(
      { peer, service, port: one },
      { gateways: gateways.items, accesses: accesses.items, world, now },
    ),
  }));
  if (asked.output === 'json')
    print(
      JSON.stringify({ peer: keyOf(peer.metadata), service: keyOf(service.metadata), ports: answers }, undefined, 2),
    );
  else print(answers.flatMap((answer) => answerLines(asked, answer)).join('\n'));
  return answers.every((answer) => answer.gateways.some(({ isAllowed }) => isAllowed)) ? 0 : 3;
}

/** `sallyport access matrix`: everything that devices may reach, a line each, with the objects that say so. */
export async function matrix(client: Client, output: Format, now: number): Promise<void> {
  const [gateways, peers, accesses, services, namespaces] = await Promise.all([
    client.list(meshGatewayType),
    client.list(meshPeerType),
    client.list(meshAccessType),
    client.list(serviceType),
    client.list(namespaceType),
  ]);
  const world = accessWorld({ namespaces: namespaces.items, peers: peers.items, services: services.items });
  const rows = gateways.items.flatMap((gateway): readonly MatrixRow[] => {
    const served = topology(gateway);
    if (served === undefined) return [];
    const { name } = gateway.metadata;
    const members = [...accessMembers(peerTable(name, peers.items, now))];
    const all = { gateway: name, service: '*', port: '*', by: [`MeshGateway ${name}`] };
    if (gateway.spec.access.default === 'Allow')
      return members.map(({ peer }) => ({ peer: keyOf(peer.metadata), ...all }));
    return merged(name, accessOf(accessGateway(served), members, { accesses: accesses.items, world, now }));
  });
  if (output === 'json') return print(JSON.stringify(rows, undefined, 2));
  const lines = rows.map((row) => [row.peer, row.gateway, row.service, row.port, row.by.join(', ')]);
  print(aligned([['PEER', 'GATEWAY', 'SERVICE', 'PORT', 'BECAUSE OF'], ...lines]));
}

interface MatrixRow {
  readonly peer: string;
  readonly gateway: string;
  readonly service: string;
  readonly port: string;
  readonly by: readonly string[];
}

/** One row for all addresses and all grants of a pair. */
function merged(gateway: string, grants: ReturnType<typeof accessOf>): readonly MatrixRow[] {
  const rows = new Map<string, MatrixRow & { readonly by: string[] }>();
  for (const { member, destination, access } of grants) {
    const row = {
      peer: keyOf(member.peer.metadata),
      gateway,
      service: keyOf(destination.service.metadata),
      port: `${destination.port}/${destination.protocol}`,
    };
    const key = JSON.stringify(row);
    const known = rows.get(key) ?? { ...row, by: [] };
    const by = `MeshAccess ${keyOf(access.metadata)}`;
    if (!known.by.includes(by)) known.by.push(by);
    rows.set(key, known);
  }
  return [...rows.values()].sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
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

interface PortAnswer {
  readonly port: number;
  readonly protocol: string;
  readonly gateways: readonly AccessAnswer[];
}

function answerLines(
  { peer, service }: { readonly peer: MeshPeer['metadata']['name']; readonly service: string },
  { port, protocol, gateways }: PortAnswer,
): readonly string[] {
  const [target = ''] = service.split(':');
  if (gateways.length === 0) return [`no   ${peer} to ${target} port ${port}/${protocol}: there is no MeshGateway.`];
  return gateways.map(
    ({ gateway, isAllowed, because }) =>
      `${isAllowed ? 'yes' : 'no '}  ${peer} to ${target} port ${port}/${protocol} through ${gateway}: ${because}`,
  );
}
