import * as z from 'zod';
import {
  type AccessStatus,
  accessColumns,
  accessSpec,
  accessStatusSchema,
  FROM_RULE,
  fromFields,
  namespacesField,
  TO_RULE,
  toFields,
} from './access-fields.ts';
import type { PrinterColumn } from './columns.ts';
import { cel } from './fields.ts';
import { GROUP, VERSION } from './names.ts';
import { objectMetaSchema, parserWithoutBadStatus, type ResourceType } from './resource.ts';

const fromSchema = z
  .object({
    namespaces: namespacesField(
      'spec.from[].namespaces',
      'In which namespaces the MeshPeers are. Left out: in the namespace of this MeshAccess.',
    ).optional(),
    ...fromFields,
  })
  .meta(cel(FROM_RULE))
  .describe(
    'Devices. All that is given must hold; selector: {} alone means every MeshPeer in the namespace of this MeshAccess. Labels and names are trusted as far as whoever may write MeshPeers in these namespaces, owners and groups as far as the policy sallyport-owners holds there.',
  );

const toSchema = z
  .object(toFields)
  .meta(cel(TO_RULE))
  .describe('Services of this namespace; an entry without names and selector means all of them.');

/** What the owner of a namespace writes about who may reach its Services. */
export const meshAccessSpecSchema = accessSpec(fromSchema, toSchema);

export const meshAccessSchema = z
  .object({
    apiVersion: z.string(),
    kind: z.string(),
    metadata: objectMetaSchema,
    spec: meshAccessSpecSchema,
    status: accessStatusSchema.optional(),
  })
  .describe(
    'Lets devices reach Services of its own namespace, at gateways whose spec.access.default is Deny. What several grants allow adds up.',
  );

/** What `kubectl get meshaccesses` shows. */
export const meshAccessColumns: readonly PrinterColumn[] = accessColumns;

/** A grant: these devices may reach these Services. */
export type MeshAccess = Readonly<z.infer<typeof meshAccessSchema>>;
export type MeshAccessStatus = AccessStatus;

export const meshAccessType: ResourceType<MeshAccess> = {
  group: GROUP,
  version: VERSION,
  kind: 'MeshAccess',
  plural: 'meshaccesses',
  namespaced: true,
  parse: parserWithoutBadStatus(meshAccessSchema),
};
