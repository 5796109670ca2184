import type { Node, Service } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { parseAddress } from '../net/address.ts';
import { type Endpoint, endpointOf, endpointParts, parseEndpoint } from '../net/endpoint.ts';
import type { Parsed } from '../net/parsed.ts';
import { type KeySlot, slotOf } from './key-slots.ts';

export interface FoundEndpoint {
  readonly endpoint: Endpoint;
  readonly source: 'Host' | 'Service' | 'Node';
}

/** Where a gateway's endpoints come from: its Service, and the nodes that serve it. */
export interface EndpointSources {
  /** Of the key that devices are told. */
  readonly slot: KeySlot;
  readonly service?: Service | undefined;
  readonly nodes: readonly Node[];
}

/** How devices dial in, most preferred first: hosts, then the Service, then node addresses, external before internal. */
export function findEndpoints(gateway: MeshGateway, sources: EndpointSources): readonly FoundEndpoint[] {
  const { hosts, service } = gateway.spec.endpoint;
  const { listenPort } = slotOf(gateway, sources.slot);
  const nodeAddresses = gateway.spec.endpoint.nodeAddresses ?? (hosts.length === 0 && service === undefined);
  const all = [
    ...hostEndpoints(gateway, sources.slot).flatMap((host) =>
      host.ok ? [{ endpoint: host.value, source: 'Host' as const }] : [],
    ),
    ...(service === undefined ? [] : serviceEndpoints(sources, listenPort)),
    ...(nodeAddresses ? nodeEndpoints(sources.nodes, listenPort) : []),
  ];
  const first = new Map<Endpoint, FoundEndpoint>();
  for (const entry of all) if (!first.has(entry.endpoint)) first.set(entry.endpoint, entry);
  return [...first.values()];
}

/** The hosts under which a slot's port is reached, each parsed or refused. A host that names the first port means that of the slot. */
export function hostEndpoints(gateway: MeshGateway, slot: KeySlot): readonly Parsed<Endpoint>[] {
  const { endpoint, keyRotation, listenPort: first } = gateway.spec;
  const { listenPort } = slotOf(gateway, slot);
  if (slot === 1) return endpoint.hosts.map((host) => parseEndpoint(host, first));
  if (keyRotation.hosts.length > 0) return keyRotation.hosts.map((host) => parseEndpoint(host, listenPort));
  return endpoint.hosts.map((host) => {
    const parsed = parseEndpoint(host, listenPort);
    if (!parsed.ok) return parsed;
    const { host: name, port } = endpointParts(parsed.value);
    return port === first ? parseEndpoint(name.includes(':') ? `[${name}]` : name, listenPort) : parsed;
  });
}

/** A host with a port of its own, as behind a firewall that maps ports: how the other slot's port is reached is not known from it. */
export function hostWithOwnPort({ spec }: MeshGateway): string | undefined {
  if (spec.keyRotation.hosts.length > 0) return undefined;
  return spec.endpoint.hosts.find((host) => {
    const parsed = parseEndpoint(host, spec.listenPort);
    return parsed.ok && endpointParts(parsed.value).port !== spec.listenPort;
  });
}

function serviceEndpoints({ service, nodes }: EndpointSources, listenPort: number): readonly FoundEndpoint[] {
  const port = service?.spec.ports.find((entry) => entry.port === listenPort);
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
