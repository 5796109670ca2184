import type { Node } from '../api/core.ts';
import { ENDPOINT_ANNOTATION } from '../api/names.ts';
import { addressFamily, type Family, parseAddress } from '../net/address.ts';
import { type Endpoint, endpointOf, endpointParts, parseEndpoint } from '../net/endpoint.ts';
import { quoted } from '../net/parsed.ts';
import type { EndpointProblem, FoundEndpoint, NodeAddress } from './found-endpoint.ts';

/** Most preferred first. */
const ADDRESSES: readonly NodeAddress[] = ['Annotation', 'ExternalIP', 'InternalIP'];

/** An endpoint that leads to certain nodes. */
export type NodeEndpoint = Required<Omit<FoundEndpoint, 'source'>>;

/** On which port devices reach a node. */
export interface NodePorts {
  /** Where nothing else is said. */
  readonly own: number;
  /** That of the first key, which an annotation may name and means `own` by it. */
  readonly first: number;
}

/**
 * Where nodes are reached: what their annotations say, then external addresses, then internal ones; among equals by the node's name, so that
 * the order, and with it every configuration, stays the same from one decision to the next. An endpoint that several nodes share is one, with
 * all of them behind it.
 */
export function nodeEndpoints(
  nodes: readonly Node[],
  ports: NodePorts,
): { readonly endpoints: readonly NodeEndpoint[]; readonly problems: readonly EndpointProblem[] } {
  const named = [...nodes].sort((one, other) => (one.metadata.name < other.metadata.name ? -1 : 1));
  const found = named.map((node) => placesOf(node, ports));
  const places = ADDRESSES.flatMap((kind) =>
    found.flatMap((one) => one.places.filter(({ address }) => address === kind)),
  );
  const shared = new Map<Endpoint, NodeEndpoint>();
  for (const { node, ...place } of places) {
    const before = shared.get(place.endpoint);
    if (before?.nodes.includes(node) === true) continue;
    shared.set(place.endpoint, { ...(before ?? place), nodes: [...(before?.nodes ?? []), node] });
  }
  return { endpoints: [...shared.values()], problems: found.flatMap(({ problems }) => problems) };
}

/** An annotation with a port of its own, as behind a router that forwards another one: how the other key's port is reached is not known from it. */
export function annotationWithOwnPort(nodes: readonly Node[], listenPort: number): string | undefined {
  return nodes.flatMap(entriesOf).find((text) => {
    const endpoint = parseEndpoint(text, listenPort);
    return endpoint.ok && endpointParts(endpoint.value).port !== listenPort;
  });
}

/** The families of an endpoint: of an address its own, of a name both. */
export function familiesOf(endpoint: Endpoint): readonly Family[] {
  const address = parseAddress(endpointParts(endpoint).host);
  return address.ok ? [addressFamily(address.value)] : [4, 6];
}

interface Place extends Omit<NodeEndpoint, 'nodes'> {
  readonly node: string;
}

interface Places {
  readonly places: readonly Place[];
  readonly problems: readonly EndpointProblem[];
}

/** Of each family the annotation's endpoints, or else the addresses that the node's status has. */
function placesOf(node: Node, ports: NodePorts): Places {
  const annotated = annotatedPlaces(node, ports);
  const stated = statedPlaces(node, ports, annotated.families);
  return {
    places: [...annotated.places, ...stated.places],
    problems: [...annotated.problems, ...stated.problems],
  };
}

function annotatedPlaces(node: Node, ports: NodePorts): Places & { readonly families: ReadonlySet<Family> } {
  const { name } = node.metadata;
  const places: Place[] = [];
  const problems: EndpointProblem[] = [];
  const families = new Set<Family>();
  for (const text of entriesOf(node)) {
    const endpoint = parseEndpoint(text, ports.first);
    if (!endpoint.ok) {
      problems.push({
        reason: 'InvalidAnnotation',
        message: `Annotation ${ENDPOINT_ANNOTATION} of Node ${name}: ${endpoint.problem}; write HOST or HOST:PORT, several with commas between them, or remove it.`,
      });
      continue;
    }
    for (const family of familiesOf(endpoint.value)) families.add(family);
    const place = onOwnPort(endpoint.value, ports);
    if (place === undefined) problems.push(portUnknown(node, endpoint.value));
    else places.push({ node: name, endpoint: place, address: 'Annotation' });
  }
  return { places, problems, families };
}

function statedPlaces({ metadata: { name }, status }: Node, { own }: NodePorts, taken: ReadonlySet<Family>): Places {
  const places: Place[] = [];
  const problems: EndpointProblem[] = [];
  for (const { type, address: text } of status.addresses) {
    if (type !== 'ExternalIP' && type !== 'InternalIP') continue;
    const address = parseAddress(text);
    if (!address.ok) {
      problems.push({
        reason: 'InvalidAddress',
        message: `Node ${name} has ${quoted(text)} as ${type} in its status, which is no address; mend what reports it, or annotate the Node with ${ENDPOINT_ANNOTATION}.`,
      });
    } else if (!taken.has(addressFamily(address.value))) {
      places.push({ node: name, endpoint: endpointOf(address.value, own), address: type });
    }
  }
  return { places, problems };
}

function entriesOf({ metadata }: Node): readonly string[] {
  const text = metadata.annotations?.[ENDPOINT_ANNOTATION] ?? '';
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
}

/** Undefined where the second key's port is asked for and another port than the first one is known. */
function onOwnPort(endpoint: Endpoint, { own, first }: NodePorts): Endpoint | undefined {
  const { host, port } = endpointParts(endpoint);
  if (port !== first) return own === first ? endpoint : undefined;
  const moved = parseEndpoint(host.includes(':') ? `[${host}]` : host, own);
  return moved.ok ? moved.value : undefined;
}

function portUnknown({ metadata: { name } }: Node, endpoint: Endpoint): EndpointProblem {
  return {
    reason: 'SecondPortUnknown',
    message: `Annotation ${ENDPOINT_ANNOTATION} of Node ${name} has ${endpoint}, from which it is not known how devices reach the port of the gateway's second key; name that in spec.keyRotation.hosts.`,
  };
}
