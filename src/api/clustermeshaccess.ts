import * as z from 'zod';
import {
  accessColumns,
  accessSpec,
  accessStatusSchema,
  fromFields,
  namespacesField,
  TO_RULE,
  toFields,
} from './access-fields.ts';
import type { PrinterColumn } from './columns.ts';
import { cel, cidrField } from './fields.ts';
import { GROUP, VERSION } from './names.ts';
import { objectMetaSchema, parserWithoutBadStatus, type ResourceType } from './resource.ts';

const fromSchema = z
  .object({
    namespaces: namespacesField('spec.from[].namespaces', 'In which namespaces the MeshPeers are.'),
    ...fromFields,
  })
  .describe(
    'Devices. All that is given must hold. Labels and names are trusted as far as whoever may write MeshPeers in these namespaces, owners and groups as far as the policy sallyport-owners holds there.',
  );

const toSchema = z
  .object({
    namespaces: namespacesField('spec.to[].namespaces', 'Services of these namespaces.').optional(),
    ...toFields,
    cidrs: z
      .array(cidrField('spec.to[].cidrs[]', 'A range within spec.advertise.cidrs of a MeshGateway.'))
      .min(1)
      .max(32)
      .optional()
      .describe('Ranges that gateways advertise besides Services. Without ports, everything there is open.'),
  })
  .meta(
    cel(
      {
        rule: 'has(self.namespaces) != has(self.cidrs)',
        message: 'spec.to[] needs namespaces (of Services) or cidrs, one of the two',
      },
      {
        rule: '!has(self.cidrs) || (!has(self.names) && !has(self.selector))',
        message: 'spec.to[].names and selector choose Services: leave them out beside cidrs',
      },
      {
        rule: '!has(self.cidrs) || !has(self.ports) || self.ports.all(p, has(p.number))',
        message: 'spec.to[].ports beside cidrs have numbers, such as {number: 5432}: only Services name theirs',
      },
      TO_RULE,
    ),
  )
  .describe('Services of some namespaces, or ranges that gateways advertise.');

/** What whoever runs the cluster writes about who may reach what, beyond single namespaces. */
export const clusterMeshAccessSpecSchema = accessSpec(fromSchema, toSchema);

export const clusterMeshAccessSchema = z
  .object({
    apiVersion: z.string(),
    kind: z.string(),
    metadata: objectMetaSchema,
    spec: clusterMeshAccessSpecSchema,
    status: accessStatusSchema.optional(),
  })
  .describe(
    'Lets devices reach Services of any namespace, and ranges that gateways advertise, at gateways whose spec.access.default is Deny. It adds up with every MeshAccess.',
  );

/** What `kubectl get clustermeshaccesses` shows. */
export const clusterMeshAccessColumns: readonly PrinterColumn[] = accessColumns;

/** A grant of whoever runs the cluster. */
export type ClusterMeshAccess = Readonly<z.infer<typeof clusterMeshAccessSchema>>;

export const clusterMeshAccessType: ResourceType<ClusterMeshAccess> = {
  group: GROUP,
  version: VERSION,
  kind: 'ClusterMeshAccess',
  plural: 'clustermeshaccesses',
  namespaced: false,
  parse: parserWithoutBadStatus(clusterMeshAccessSchema),
};
