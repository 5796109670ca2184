import type { Node, Service } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { childName, ENDPOINT_ANNOTATION, GATEWAY_LABEL } from '../api/names.ts';
import { type Endpoint, endpointParts, parseEndpoint } from '../net/endpoint.ts';
import { type Parsed, quoted } from '../net/parsed.ts';
import { type DnsSight, findNames, type Publication } from './dns-names.ts';
import type { EndpointProblem, FoundEndpoint } from './found-endpoint.ts';
import { type KeySlot, slotOf } from './key-slots.ts';
import { annotationWithOwnPort, nodeEndpoints } from './node-endpoints.ts';
import { servingNodes } from './selectors.ts';

/** All ways in, most preferred first, what to publish about them, and what should be one and is none. */
export interface FoundEndpoints {
  readonly endpoints: readonly FoundEndpoint[];
  readonly problems: readonly EndpointProblem[];
  /** For a DNSEndpoint, where one is asked for. */
  readonly publication?: Publication | undefined;
}

/** Where a gateway's endpoints come from: its Service, the nodes that serve it, and its DNSEndpoint. */
export interface EndpointSources {
  /** Of the key that devices are told. */
  readonly slot: KeySlot;
  readonly service?: Service | undefined;
  readonly nodes: readonly Node[];
  readonly dns: DnsSight;
}

/** What one source has. */
interface Found {
  readonly endpoints: readonly FoundEndpoint[];
  readonly problems: readonly EndpointProblem[];
}

const NOTHING: Found = { endpoints: [], problems: [] };

/** How devices dial in, most preferred first: hosts, then names in DNS, then the Service, then the nodes. */
export function findEndpoints(gateway: MeshGateway, sources: EndpointSources): FoundEndpoints {
  const { hosts, service: wanted, nodeAddresses = hosts.length === 0 && wanted === undefined } = gateway.spec.endpoint;
  const service = wanted === undefined ? undefined : serviceEndpoints(gateway, sources);
  const { listenPort } = slotOf(gateway, sources.slot);
  const nodes = placed('Node', sources.nodes, { own: listenPort, first: gateway.spec.listenPort });
  const names = findNames(gateway, {
    service: service?.endpoints,
    nodes: nodes.endpoints,
    dns: sources.dns,
  });
  const told = [names, service ?? NOTHING, nodeAddresses ? nodes : NOTHING];
  const first = new Map<Endpoint, FoundEndpoint>();
  const all = [...namedHosts(gateway, sources.slot), ...told.flatMap(({ endpoints }) => endpoints)];
  for (const entry of all) if (!first.has(entry.endpoint)) first.set(entry.endpoint, entry);
  return {
    endpoints: [...first.values()],
    problems: problemsOf([...told, names.publication === undefined ? NOTHING : nodes]),
    ...(names.publication === undefined ? {} : { publication: names.publication }),
  };
}

/** A node's mistake is told once, however many endpoints it costs. */
function problemsOf(found: readonly Found[]): readonly EndpointProblem[] {
  const all = found.flatMap(({ problems }) => problems);
  return [...new Map(all.map((problem) => [problem.message, problem])).values()];
}

function namedHosts(gateway: MeshGateway, slot: KeySlot): readonly FoundEndpoint[] {
  return hostEndpoints(gateway, slot).flatMap((host) =>
    host.ok ? [{ endpoint: host.value, source: 'Host' as const }] : [],
  );
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

/**
 * Where a port of its own is named, as behind a router that forwards another one, as a part of a sentence: how the other slot's port is reached is
 * not known from it.
 */
export function placeWithOwnPort(gateway: MeshGateway, nodes: readonly Node[]): string | undefined {
  const { endpoint, keyRotation, listenPort } = gateway.spec;
  if (keyRotation.hosts.length > 0) return undefined;
  const host = endpoint.hosts.find((text) => {
    const parsed = parseEndpoint(text, listenPort);
    return parsed.ok && endpointParts(parsed.value).port !== listenPort;
  });
  if (host !== undefined) return `spec.endpoint.hosts has ${host}`;
  const serving = new Set(servingNodes(gateway, nodes));
  const annotated = annotationWithOwnPort(
    nodes.filter(({ metadata }) => serving.has(metadata.name)),
    listenPort,
  );
  return annotated === undefined ? undefined : `annotation ${ENDPOINT_ANNOTATION} of a Node has ${annotated}`;
}

/** A load balancer's addresses; or the nodes', with the port that the Service has on each. */
function serviceEndpoints(gateway: MeshGateway, { service, nodes, slot }: EndpointSources): Found {
  const { listenPort } = slotOf(gateway, slot);
  const portOf = (wanted: number) => service?.spec.ports.find(({ port }) => port === wanted);
  const port = portOf(listenPort);
  if (service === undefined || port === undefined) return waitingForService(gateway);
  if (service.spec.type !== 'NodePort') {
    const found = balancerEndpoints(service, port.port);
    return found.endpoints.length + found.problems.length > 0 ? found : waitingForService(gateway);
  }
  if (port.nodePort === undefined) return waitingForService(gateway);
  const first = portOf(gateway.spec.listenPort)?.nodePort ?? port.nodePort;
  return placed('Service', nodes, { own: port.nodePort, first });
}

function placed(source: 'Service' | 'Node', ...of: Parameters<typeof nodeEndpoints>): Found {
  const { endpoints, problems } = nodeEndpoints(...of);
  return { endpoints: endpoints.map((entry) => ({ ...entry, source })), problems };
}

function balancerEndpoints({ metadata, status }: Service, port: number): Found {
  const endpoints: FoundEndpoint[] = [];
  const problems: EndpointProblem[] = [];
  const texts = status.loadBalancer.ingress.flatMap(({ ip, hostname }) => ip ?? hostname ?? []);
  for (const text of texts) {
    const endpoint = parseEndpoint(text, port);
    if (endpoint.ok) endpoints.push({ endpoint: endpoint.value, source: 'Service' });
    else
      problems.push({
        reason: 'InvalidAddress',
        message: `Service ${metadata.name} has ${quoted(text)} in status.loadBalancer, which is neither an address nor a name; mend what provides load balancers here.`,
      });
  }
  return { endpoints, problems };
}

function waitingForService({ metadata: { name } }: MeshGateway): Found {
  const message = `Service ${childName(name)} has no address. Ask whatever provides load balancers here why (kubectl get services -A -l ${GATEWAY_LABEL}=${name}, then kubectl describe it); without one, set spec.endpoint.hosts, or spec.endpoint.nodeAddresses to true.`;
  return { endpoints: [], problems: [{ reason: 'WaitingForService', message }] };
}
