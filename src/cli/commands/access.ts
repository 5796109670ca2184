import { keyOf } from '../../api/resource.ts';
import type { Client } from '../../k8s/client.ts';
import { type AttributedGrant, type AttributedRange, openedBy } from '../../mesh/access/access.ts';
import { accessName } from '../../mesh/access/resolve.ts';
import { accessGateway, accessMembers } from '../../mesh/access/world.ts';
import { peerTable } from '../../mesh/peer-table.ts';
import { topology } from '../../mesh/topology.ts';
import { allAccessObjects } from '../cluster/access-objects.ts';
import type { ConnectedCluster } from '../cluster/connect.ts';
import { explained, type PortAnswer } from '../cluster/explained.ts';
import { print, UserError } from '../output.ts';
import { aligned } from '../table.ts';

type Format = 'text' | 'json';

/** Of such a gateway the objects do not tell what its nodes were last told. */
const UNDECIDED = 'not accepted: its nodes go on as they were, less what has ended';

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
  const peer = { namespace: peerNamespace, name };
  const service = { namespace, name: serviceName };
  const ports = await explained(client, { peer, service, port }, now);
  if (asked.output === 'json')
    print(JSON.stringify({ peer: keyOf(peer), service: keyOf(service), ports }, undefined, 2));
  else print(ports.flatMap((answer) => answerLines(asked, answer)).join('\n'));
  return ports.every((answer) => answer.gateways.some(({ isAllowed }) => isAllowed)) ? 0 : 3;
}

/** `sallyport access matrix`: everything that devices may reach, a line each, with the objects that say so. */
export async function matrix(client: Client, output: Format, now: number): Promise<void> {
  const { gateways, peers, ...objects } = await allAccessObjects(client, now);
  const rows = gateways.flatMap((gateway): readonly MatrixRow[] => {
    const served = topology(gateway);
    const { name } = gateway.metadata;
    if (served === undefined) return [{ peer: '?', gateway: name, service: '?', port: '?', by: [UNDECIDED] }];
    const members = [...accessMembers(peerTable(name, peers, now))];
    const all = { gateway: name, service: '*', port: '*', by: [`MeshGateway ${name}`] };
    if (gateway.spec.access.default === 'Allow')
      return members.map(({ peer }) => ({ peer: keyOf(peer.metadata), ...all }));
    const opened = [...openedBy(accessGateway(served), members, objects)];
    return merged(
      name,
      opened.flatMap(({ services: open, ranges }) => [...open.map(serviceRow), ...ranges.map(rangeRow)]),
    );
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

type Row = Omit<MatrixRow, 'gateway'>;

function serviceRow({ member, destination, access }: AttributedGrant): Row {
  return {
    peer: keyOf(member.peer.metadata),
    service: keyOf(destination.service.metadata),
    port: `${destination.port}/${destination.protocol}`,
    by: [accessName(access)],
  };
}

function rangeRow({ member, cidr, open, access }: AttributedRange): Row {
  const port = open === undefined ? '*' : `${open.port}/${open.protocol}`;
  return { peer: keyOf(member.peer.metadata), service: cidr, port, by: [accessName(access)] };
}

/** One row for all addresses and all grants of a pair. */
function merged(gateway: string, all: readonly Row[]): readonly MatrixRow[] {
  const rows = new Map<string, MatrixRow>();
  for (const { peer, service, port, by } of all) {
    const key = JSON.stringify([peer, service, port]);
    const known = rows.get(key)?.by ?? [];
    rows.set(key, { peer, gateway, service, port, by: [...new Set([...known, ...by])] });
  }
  return [...rows.values()].sort((one, other) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1));
}

function answerLines(
  { peer, service }: { readonly peer: string; readonly service: string },
  { port, protocol, gateways }: PortAnswer,
): readonly string[] {
  const [target = ''] = service.split(':');
  if (gateways.length === 0) return [`no   ${peer} to ${target} port ${port}/${protocol}: there is no MeshGateway.`];
  return gateways.map(
    ({ gateway, isAllowed, because }) =>
      `${isAllowed ? 'yes' : 'no '}  ${peer} to ${target} port ${port}/${protocol} through ${gateway}: ${because}`,
  );
}
