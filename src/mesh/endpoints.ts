import type { Node, Service } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { parseAddress } from '../net/address.ts';
import { type Endpoint, endpointOf, parseEndpoint } from '../net/endpoint.ts';
import type { Parsed } from '../net/parsed.ts';

export interface FoundEndpoint {
  readonly endpoint: Endpoint;
  readonly source: 'Host' | 'Service' | 'Node';
}

/** Where a gateway's endpoints come from: its Service, and the nodes that serve it. */
export interface EndpointSources {
  readonly service?: Service | undefined;
  readonly nodes: readonly Node[];
}

/** How devices dial in, most preferred first: hosts, then the Service, then node addresses, external before internal. */
export function findEndpoints(gateway: MeshGateway, sources: EndpointSources): readonly FoundEndpoint[] {
  const { hosts, service } = gateway.spec.endpoint;
  const nodeAddresses = gateway.spec.endpoint.nodeAddresses ?? (hosts.length === 0 && service === undefined);
  const all = [
    ...hostEndpoints(gateway).flatMap((host) => (host.ok ? [{ endpoint: host.value, source: 'Host' as const }] : [])),
    ...(service === undefined ? [] : serviceEndpoints(sources)),
    ...(nodeAddresses ? nodeEndpoints(sources.nodes, gateway.spec.listenPort) : []),
  ];
  const first = new Map<Endpoint, FoundEndpoint>();
  for (const entry of all) if (!first.has(entry.endpoint)) first.set(entry.endpoint, entry);
  return [...first.values()];
}

/** `spec.endpoint.hosts`, each parsed or refused. */
export function hostEndpoints(gateway: MeshGateway): readonly Parsed<Endpoint>[] {
  return gateway.spec.endpoint.hosts.map((host) => parseEndpoint(host, gateway.spec.listenPort));
}

function serviceEndpoints({ service, nodes }: EndpointSources): readonly FoundEndpoint[] {
  const port = service?.spec.ports[0];
  if (service === undefined || port === undefined) return [];
  const inFront = service.status.loadBalancer.ingress.flatMap(({ ip, hostname }) => {
    const endpoint = parseEndpoint(ip ?? hostname ?? '', port.port);
    return endpoint.ok ? [{ endpoint: endpoint.value, source: 'Service' as const }] : [];
  });
  if (service.spec.type !== 'NodePort' || port.nodePort === undefined) return inFront;
  return nodeEndpoints(nodes, port.nodePort).map(({ endpoint }) => ({ endpoint, source: 'Service' as const }));
}

/** By node name, so that the order, and with it every configuration, stays the same from one decision to the next. */
function nodeEndpoints(nodes: readonly Node[], port: number): readonly FoundEndpoint[] {
  const named = [...nodes].sort((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
  return ['ExternalIP', 'InternalIP'].flatMap((type) =>
    named.flatMap((node) =>
      node.status.addresses
        .filter((entry) => entry.type === type)
        .flatMap((entry) => {
          const address = parseAddress(entry.address);
          return address.ok ? [{ endpoint: endpointOf(address.value, port), source: 'Node' as const }] : [];
        }),
    ),
  );
}
