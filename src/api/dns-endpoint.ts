import * as z from 'zod';
import { objectMetaSchema, type ResourceType } from './resource.ts';

/**
 * DNS records that external-dns is asked to publish (`--source=crd`), as far as Sallyport reads them: whether it has taken them up. It
 * writes `status.observedGeneration` as soon as it has read an object (external-dns, source/crd.go); newer ones write a condition Accepted too.
 */
const dnsEndpointSchema = z.object({
  apiVersion: z.string().default(''),
  kind: z.string().default(''),
  metadata: objectMetaSchema,
  status: z
    .object({
      observedGeneration: z.number().default(0),
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), message: z.string().default('') }))
        .default([]),
    })
    .prefault({}),
});

export type DNSEndpoint = Readonly<z.infer<typeof dnsEndpointSchema>>;

export const dnsEndpointType: ResourceType<DNSEndpoint> = {
  group: 'externaldns.k8s.io',
  version: 'v1alpha1',
  kind: 'DNSEndpoint',
  plural: 'dnsendpoints',
  namespaced: true,
  parse: (raw) => dnsEndpointSchema.parse(raw),
};

/** One set of records of one name and type, as a DNSEndpoint's `spec.endpoints` has it. */
export interface DnsRecord {
  readonly dnsName: string;
  readonly recordType: 'A' | 'AAAA' | 'CNAME';
  /** Seconds. */
  readonly recordTTL: number;
  readonly targets: readonly string[];
}
