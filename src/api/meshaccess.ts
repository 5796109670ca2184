import * as z from 'zod';
import { AGE_COLUMN, conditionColumn, type PrinterColumn } from './columns.ts';
import { conditionsSchema } from './conditions.ts';
import { cel, labelField, labelSelectorField, timeField } from './fields.ts';
import { GROUP, VERSION } from './names.ts';
import { objectMetaSchema, parserWithoutBadStatus, type ResourceType } from './resource.ts';

const nameList = (what: string) =>
  z.array(z.string().min(1).max(253)).min(1).max(64).meta({ 'x-kubernetes-list-type': 'set' }).describe(what);

const peerNamespacesSchema = z
  .object({
    names: nameList('The namespaces, by name.').optional(),
    selector: labelSelectorField(
      'spec.from[].namespaces.selector',
      'The namespaces, by their labels; an empty selector ({}) means every namespace.',
    ).optional(),
  })
  .meta(
    cel({
      rule: 'has(self.names) != has(self.selector)',
      message: 'spec.from[].namespaces needs names or selector, one of the two; selector: {} means every namespace',
    }),
  )
  .describe('In which namespaces the MeshPeers are. Left out: in the namespace of this MeshAccess.');

const fromSchema = z
  .object({
    namespaces: peerNamespacesSchema.optional(),
    names: nameList('MeshPeers by name.').optional(),
    selector: labelSelectorField('spec.from[].selector', 'MeshPeers by their labels.').optional(),
    owners: nameList(
      'MeshPeers by spec.owner, to the letter. Nobody names somebody else there where the policy sallyport-owners is on.',
    ).optional(),
  })
  .describe(
    'Devices. All that is given must hold; an empty entry ({}) means every MeshPeer in the namespace of this MeshAccess. Labels, names and owners are trusted as far as whoever may write MeshPeers in these namespaces.',
  );

const portSchema = z
  .object({
    name: z.string().min(1).max(63).optional().describe('The name of a port of the Service.'),
    number: z.int().min(1).max(65535).optional().describe("The port's number on the Service, TCP and UDP alike."),
  })
  .meta(
    cel({
      rule: 'has(self.name) != has(self.number)',
      message: 'spec.to[].ports[] needs name or number, one of the two, such as {name: http} or {number: 80}',
    }),
  )
  .describe('A port of the Service, not of its pods.');

const toSchema = z
  .object({
    names: nameList('Services by name.').optional(),
    selector: labelSelectorField('spec.to[].selector', "Services by the Services' own labels.").optional(),
    ports: z
      .array(portSchema)
      .min(1)
      .max(32)
      .optional()
      .describe('Their ports. Left out: every TCP and UDP port that the Services have.'),
  })
  .meta(
    cel({
      rule: '!(has(self.names) && has(self.selector))',
      message: 'spec.to[] takes names or selector, not both: write two entries, or leave one of the two out',
    }),
  )
  .describe('Services of this namespace; an entry without names and selector means all of them.');

/** What the owner of a namespace writes about who may reach its Services. */
export const meshAccessSpecSchema = z
  .object({
    from: z.array(fromSchema).min(1).max(16).describe('Who is let through: the devices of all entries together.'),
    to: z.array(toSchema).min(1).max(16).describe('To what: the Services of all entries together.'),
    expiresAt: timeField(
      'spec.expiresAt',
      'From this time on nothing is granted, whether or not the operator runs, and open connections end. RFC 3339, such as 2030-01-31T18:00:00Z.',
    ).optional(),
    gateways: z
      .array(labelField('spec.gateways[]', 'The name of a MeshGateway.'))
      .min(1)
      .max(8)
      .meta({ 'x-kubernetes-list-type': 'set' })
      .optional()
      .describe('Through which MeshGateways. Left out: through every one that lets the device in.'),
  })
  .describe('What is granted.');

const matchedSchema = (what: string) =>
  z.object({
    matched: z.int().min(0).max(Number.MAX_SAFE_INTEGER).describe(`How many ${what} match.`),
    names: z.array(z.string().max(317)).max(10).optional().describe('The first of them, by name.'),
  });

/** What the operator found. Agents do not read it: they resolve a grant themselves, by the same function. */
export const meshAccessStatusSchema = z
  .object({
    observedGeneration: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .optional()
      .describe('The metadata.generation that this status is about.'),
    peers: matchedSchema('MeshPeers that are let in').optional().describe('The devices that it is for.'),
    services: matchedSchema('Services').optional().describe('The Services that it opens.'),
    gateways: z
      .array(z.string().max(63))
      .max(64)
      .optional()
      .describe('The MeshGateways that deny by default, where this grant decides.'),
    conditions: conditionsSchema.optional(),
  })
  .describe('The grant as it is.');

export const meshAccessSchema = z
  .object({
    apiVersion: z.string(),
    kind: z.string(),
    metadata: objectMetaSchema,
    spec: meshAccessSpecSchema,
    status: meshAccessStatusSchema.optional(),
  })
  .describe(
    'Lets devices reach Services of its own namespace, at gateways whose spec.access.default is Deny. What several grants allow adds up.',
  );

/** What `kubectl get meshaccesses` shows. */
export const meshAccessColumns: readonly PrinterColumn[] = [
  conditionColumn('Resolved', 'Resolved', 'status', 'Whether it lets some device reach some Service.'),
  conditionColumn('Enforced', 'Enforced', 'status', 'Whether some gateway denies what is not granted.'),
  { name: 'Peers', type: 'integer', description: 'Devices that it is for.', jsonPath: '.status.peers.matched' },
  {
    name: 'Services',
    type: 'integer',
    description: 'Services that it opens.',
    jsonPath: '.status.services.matched',
  },
  conditionColumn('Reason', 'Resolved', 'reason', 'Why it does, or does not.'),
  { name: 'Expires', type: 'string', description: 'When it ends.', jsonPath: '.spec.expiresAt' },
  {
    name: 'Gateways',
    type: 'string',
    description: 'Where it decides.',
    jsonPath: '.status.gateways',
    priority: 1,
  },
  AGE_COLUMN,
];

/** A grant: these devices may reach these Services. */
export type MeshAccess = Readonly<z.infer<typeof meshAccessSchema>>;
export type MeshAccessSpec = MeshAccess['spec'];
export type MeshAccessStatus = Readonly<z.infer<typeof meshAccessStatusSchema>>;

export const meshAccessType: ResourceType<MeshAccess> = {
  group: GROUP,
  version: VERSION,
  kind: 'MeshAccess',
  plural: 'meshaccesses',
  namespaced: true,
  parse: parserWithoutBadStatus(meshAccessSchema),
};
