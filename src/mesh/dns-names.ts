import type { DNSEndpoint } from '../api/dns-endpoint.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { childName } from '../api/names.ts';
import { keyOf } from '../api/resource.ts';
import { endpointParts, parseEndpoint } from '../net/endpoint.ts';
import type { EndpointProblem, FoundEndpoint } from './found-endpoint.ts';

/** What is known of the gateway's DNSEndpoint: nothing yet; that the API server has no such resource; or the object as it is. */
export type DnsSight =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'unserved' }
  | { readonly kind: 'served'; readonly object: DNSEndpoint | undefined };

/** What a DNSEndpoint is to publish, whoever serves at the moment. */
export interface Publication {
  readonly hostnames: readonly string[];
  readonly ttlSeconds: number;
  /** Most preferred first, all on one port. */
  readonly targets: readonly FoundEndpoint[];
}

/** The names of a gateway that are endpoints. */
export interface FoundNames {
  readonly endpoints: readonly FoundEndpoint[];
  readonly problems: readonly EndpointProblem[];
  readonly publication?: Publication | undefined;
}

/** To what the names may lead. */
export interface NameSources {
  /** Undefined where no Service is asked for. */
  readonly service: readonly FoundEndpoint[] | undefined;
  readonly nodes: readonly FoundEndpoint[];
  readonly dns: DnsSight;
}

const NOTHING: FoundNames = { endpoints: [], problems: [] };

/**
 * The names of `spec.endpoint.dns`, and what is to be published about them. A name is told to devices only once external-dns has been given
 * it: with one that leads nowhere wg-quick does not come up.
 */
export function findNames(gateway: MeshGateway, sources: NameSources): FoundNames {
  const { endpoint } = gateway.spec;
  const { dns } = endpoint;
  if (dns === undefined) return NOTHING;
  if (publishedBy(endpoint) === 'Service') return annotatedNames(dns.hostnames, sources.service ?? []);
  const publication = publicationOf(dns, sources.service ?? sources.nodes);
  const problem = problemOf(gateway, publication, sources.dns);
  return {
    endpoints: isPublished(gateway, sources.dns) ? namesLeadingTo(publication.targets, publication.hostnames) : [],
    problems: problem === undefined ? [] : [problem],
    ...(sources.dns.kind === 'served' ? { publication } : {}),
  };
}

/** From what external-dns learns the names of a gateway that has some. */
export function publishedBy({ dns, service }: MeshGateway['spec']['endpoint']): 'Service' | 'DNSEndpoint' {
  if (dns !== undefined && dns.publishedBy !== 'Auto') return dns.publishedBy;
  return service === undefined ? 'DNSEndpoint' : 'Service';
}

/** external-dns publishes the load balancer's addresses, or those of nodes with a ready agent, on the Service's own port. */
function annotatedNames(hostnames: readonly string[], service: readonly FoundEndpoint[]): FoundNames {
  const own = service.find(({ address }) => address !== 'Annotation');
  return own === undefined ? NOTHING : { endpoints: namesLeadingTo([own], hostnames, true), problems: [] };
}

/** A name has one port, so it stands for the endpoints that have the port of the first of them. */
function publicationOf(
  { hostnames, ttlSeconds }: Pick<Publication, 'hostnames' | 'ttlSeconds'>,
  candidates: readonly FoundEndpoint[],
): Publication {
  const names = hostnames.map((name) => name.toLowerCase().replace(/\.$/, ''));
  const places = candidates.filter(({ endpoint }) => !names.includes(endpointParts(endpoint).host.replace(/\.$/, '')));
  const port = places[0] === undefined ? undefined : endpointParts(places[0].endpoint).port;
  const targets = places.filter(({ endpoint }) => endpointParts(endpoint).port === port);
  return { hostnames: names, ttlSeconds, targets };
}

function namesLeadingTo(
  targets: readonly FoundEndpoint[],
  hostnames: readonly string[],
  leadToAll = targets.some(({ nodes }) => nodes === undefined),
): readonly FoundEndpoint[] {
  const [first] = targets;
  if (first === undefined) return [];
  const { port } = endpointParts(first.endpoint);
  const nodes = [...new Set(targets.flatMap((target) => target.nodes ?? []))];
  return hostnames.flatMap((hostname) => {
    const endpoint = parseEndpoint(hostname, port);
    if (!endpoint.ok) return [];
    return [{ endpoint: endpoint.value, source: 'DNS' as const, ...(leadToAll ? {} : { nodes }) }];
  });
}

/** While nobody knows, devices keep the names that they were told. */
function isPublished({ status }: MeshGateway, sight: DnsSight): boolean {
  if (sight.kind === 'unknown') return status?.endpoints?.some(({ source }) => source === 'DNS') ?? false;
  return sight.kind === 'served' && (sight.object?.status.observedGeneration ?? 0) > 0;
}

function problemOf(
  { metadata }: MeshGateway,
  { hostnames, targets }: Publication,
  sight: DnsSight,
): EndpointProblem | undefined {
  const names = hostnames.join(', ');
  if (sight.kind === 'unserved')
    return {
      reason: 'DNSNotServed',
      message: `spec.endpoint.dns asks for a DNSEndpoint for ${names}, and this cluster has no such resource (externaldns.k8s.io/v1alpha1): install external-dns with its definition and --source=crd, or set spec.endpoint.service, whose annotation external-dns reads.`,
    };
  if (targets.length === 0)
    return {
      reason: 'NothingToPublish',
      message: `There is no address to which ${names} of spec.endpoint.dns could lead: neither the gateway's Service has one nor a node that serves it.`,
    };
  if (sight.kind === 'unknown') return undefined;
  const refusal = sight.object?.status.conditions.find(({ type, status }) => type === 'Accepted' && status === 'False');
  const object = sight.object === undefined ? childName(metadata.name) : keyOf(sight.object.metadata);
  if (refusal !== undefined)
    return { reason: 'DNSRefused', message: `external-dns refuses DNSEndpoint ${object}: ${refusal.message}` };
  if ((sight.object?.status.observedGeneration ?? 0) > 0) return undefined;
  return {
    reason: 'WaitingForDNS',
    message: `No external-dns has taken up DNSEndpoint ${object}, so devices are not told ${names} yet; run it with --source=crd, and let it follow that namespace.`,
  };
}
