import * as z from 'zod';
import { type KubernetesObject, objectMetaSchema, type ResourceType } from './resource.ts';

/**
 * Kubernetes' own kinds, as far as Sallyport reads them. Unknown fields are dropped by parsing, so a cache of a thousand Nodes
 * holds what is listed here and nothing else.
 */
function kubernetesType<S extends z.ZodType<KubernetesObject>>(
  group: string,
  version: string,
  kind: string,
  plural: string,
  namespaced: boolean,
  schema: S,
): ResourceType<Readonly<z.infer<S>>> {
  return { group, version, kind, plural, namespaced, parse: (raw) => schema.parse(raw) };
}

const base = { apiVersion: z.string().default(''), kind: z.string().default(''), metadata: objectMetaSchema };

const nodeSchema = z.object({
  ...base,
  spec: z
    .object({
      podCIDRs: z.array(z.string()).optional(),
      unschedulable: z.boolean().optional(),
      taints: z.array(z.object({ key: z.string(), value: z.string().optional(), effect: z.string() })).optional(),
    })
    .prefault({}),
  status: z
    .object({
      addresses: z.array(z.object({ type: z.string(), address: z.string() })).default([]),
      conditions: z
        .array(
          z.object({
            type: z.string(),
            status: z.string(),
            reason: z.string().default(''),
            message: z.string().default(''),
          }),
        )
        .default([]),
    })
    .prefault({}),
});
export type Node = Readonly<z.infer<typeof nodeSchema>>;
export const nodeType = kubernetesType('', 'v1', 'Node', 'nodes', false, nodeSchema);

const namespaceSchema = z.object(base);
export type Namespace = Readonly<z.infer<typeof namespaceSchema>>;
export const namespaceType = kubernetesType('', 'v1', 'Namespace', 'namespaces', false, namespaceSchema);

const serviceSchema = z.object({
  ...base,
  spec: z
    .object({
      clusterIPs: z.array(z.string()).default([]),
      type: z.string().optional(),
      ports: z
        .array(
          z.object({
            name: z.string().optional(),
            port: z.number(),
            protocol: z.string().default('TCP'),
            nodePort: z.number().optional(),
          }),
        )
        .default([]),
    })
    .prefault({}),
  status: z
    .object({
      loadBalancer: z
        .object({
          ingress: z.array(z.object({ ip: z.string().optional(), hostname: z.string().optional() })).default([]),
        })
        .prefault({}),
    })
    .prefault({}),
});
export type Service = Readonly<z.infer<typeof serviceSchema>>;
export const serviceType = kubernetesType('', 'v1', 'Service', 'services', true, serviceSchema);

const serviceCidrSchema = z.object({
  ...base,
  spec: z.object({ cidrs: z.array(z.string()).default([]) }).prefault({}),
  status: z
    .object({
      conditions: z
        .array(z.object({ type: z.string(), status: z.string(), reason: z.string().default('') }))
        .default([]),
    })
    .prefault({}),
});
export type ServiceCIDR = Readonly<z.infer<typeof serviceCidrSchema>>;
export const serviceCidrType = kubernetesType(
  'networking.k8s.io',
  'v1',
  'ServiceCIDR',
  'servicecidrs',
  false,
  serviceCidrSchema,
);
/** Kubernetes 1.31 and 1.32 serve ServiceCIDR in this version only, where the feature is on. */
export const serviceCidrBetaType = kubernetesType(
  'networking.k8s.io',
  'v1beta1',
  'ServiceCIDR',
  'servicecidrs',
  false,
  serviceCidrSchema,
);

const configMapSchema = z.object({ ...base, data: z.record(z.string(), z.string()).default({}) });
export type ConfigMap = Readonly<z.infer<typeof configMapSchema>>;
export const configMapType = kubernetesType('', 'v1', 'ConfigMap', 'configmaps', true, configMapSchema);

const secretSchema = z.object({
  ...base,
  type: z.string().default('Opaque'),
  data: z.record(z.string(), z.string()).default({}),
});
export type Secret = Readonly<z.infer<typeof secretSchema>>;
export const secretType = kubernetesType('', 'v1', 'Secret', 'secrets', true, secretSchema);

/** Known by its name alone: what a pod says of itself is the kubelet's and the agent's business. */
const podSchema = z.object(base);
export type Pod = Readonly<z.infer<typeof podSchema>>;
export const podType = kubernetesType('', 'v1', 'Pod', 'pods', true, podSchema);

const daemonSetSchema = z.object({
  ...base,
  status: z
    .object({ desiredNumberScheduled: z.number().default(0), observedGeneration: z.number().default(0) })
    .prefault({}),
});
export type DaemonSet = Readonly<z.infer<typeof daemonSetSchema>>;
export const daemonSetType = kubernetesType('apps', 'v1', 'DaemonSet', 'daemonsets', true, daemonSetSchema);

/** Known by its name alone: it ends by itself, and its outcome is seen elsewhere. */
const jobSchema = z.object(base);
export type Job = Readonly<z.infer<typeof jobSchema>>;
export const jobType = kubernetesType('batch', 'v1', 'Job', 'jobs', true, jobSchema);

const leaseSchema = z.object({
  ...base,
  spec: z
    .object({
      holderIdentity: z.string().optional(),
      leaseDurationSeconds: z.number().optional(),
      acquireTime: z.string().optional(),
      renewTime: z.string().optional(),
      leaseTransitions: z.number().optional(),
    })
    .prefault({}),
});
export type Lease = Readonly<z.infer<typeof leaseSchema>>;
export const leaseType = kubernetesType('coordination.k8s.io', 'v1', 'Lease', 'leases', true, leaseSchema);
