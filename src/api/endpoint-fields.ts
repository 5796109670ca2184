import * as z from 'zod';
import { annotationsField, cel, domainField, endpointField } from './fields.ts';

/** The annotations by which external-dns learns names from a Service (external-dns, docs/annotations). */
export const EXTERNAL_DNS_HOSTNAME = 'external-dns.alpha.kubernetes.io/hostname';
export const EXTERNAL_DNS_TTL = 'external-dns.alpha.kubernetes.io/ttl';

const serviceSchema = z
  .object({
    type: z
      .enum(['LoadBalancer', 'NodePort'])
      .default('LoadBalancer')
      .describe('The type of the Service that the operator makes.'),
    annotations: annotationsField(
      'spec.endpoint.service.annotations',
      "Annotations of the Service, such as your load balancer's.",
    ).optional(),
    nodePort: z.int().min(1).max(65535).optional().describe('The NodePort; Kubernetes chooses one when left out.'),
    ipFamilyPolicy: z
      .enum(['SingleStack', 'PreferDualStack', 'RequireDualStack'])
      .optional()
      .describe('In which IP families the Service has addresses; left out, Kubernetes gives it one.'),
  })
  .describe(
    'A Service that the operator owns and through which devices dial in. Only nodes with a ready agent get its packets (externalTrafficPolicy: Local).',
  );

const dnsSchema = z
  .object({
    hostnames: z
      .array(domainField('spec.endpoint.dns.hostnames[]', 'A name that external-dns may publish.'))
      .min(1)
      .max(4)
      .meta({ 'x-kubernetes-list-type': 'set' })
      .describe('Names that external-dns brings into DNS, most preferred first.'),
    ttlSeconds: z
      .int()
      .min(1)
      .max(86400)
      .default(60)
      .describe('How long resolvers keep what the names lead to, in seconds.'),
    publishedBy: z
      .enum(['Auto', 'Service', 'DNSEndpoint'])
      .default('Auto')
      .describe(
        'What external-dns learns the names from. Service: an annotation of the Service. DNSEndpoint: a resource of external-dns, with the addresses that an agent stands behind. Auto: the Service where spec.endpoint.service is set, else a DNSEndpoint.',
      ),
  })
  .describe(
    'Names in DNS that follow the addresses, also where those change. Each is an endpoint once external-dns knows of it.',
  );

/** `spec.endpoint` of a MeshGateway. */
export const endpointSchema = z
  .object({
    hosts: z
      .array(
        endpointField('spec.endpoint.hosts[]', 'A host name or address, with a port where it differs from listenPort.'),
      )
      .max(16)
      .meta({ 'x-kubernetes-list-type': 'set' })
      .default([])
      .describe('Names or addresses under which devices reach the gateway, most preferred first.'),
    dns: dnsSchema.optional(),
    service: serviceSchema.optional(),
    nodeAddresses: z
      .boolean()
      .optional()
      .describe(
        "Whether the gateway nodes' own addresses are endpoints too. A node's annotation sallyport.dev/endpoint, HOST or HOST:PORT and several with commas between them, takes the place of its addresses of that IP family; a name, of both. Left out: only when there are no hosts and no service.",
      ),
  })
  .meta(
    cel(
      {
        rule: "!has(self.dns) || !has(self.dns.publishedBy) || self.dns.publishedBy != 'Service' || has(self.service)",
        message:
          'spec.endpoint.dns.publishedBy: Service needs a Service to annotate: set spec.endpoint.service, or leave publishedBy out',
      },
      {
        rule: `!has(self.dns) || !has(self.service) || !has(self.service.annotations) || !('${EXTERNAL_DNS_HOSTNAME}' in self.service.annotations)`,
        message: `spec.endpoint.service.annotations must not hold ${EXTERNAL_DNS_HOSTNAME} beside spec.endpoint.dns: name all hosts in spec.endpoint.dns.hostnames`,
      },
    ),
  )
  .default({ hosts: [] })
  .describe(
    'How devices dial in, in this order: hosts; names in DNS; the Service; the nodes, by their annotations, external addresses, internal addresses. A node whose agent has not served for ten minutes comes last.',
  );
