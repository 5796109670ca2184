import * as z from 'zod';
import { AGE_COLUMN, conditionColumn, type PrinterColumn } from './columns.ts';
import { conditionsSchema } from './conditions.ts';
import { type CelRule, cel, labelField, labelSelectorField, timeField } from './fields.ts';

/** What MeshAccess and ClusterMeshAccess have in common. */

function nameList(what: string) {
  return z.array(z.string().min(1).max(253)).min(1).max(64).meta({ 'x-kubernetes-list-type': 'set' }).describe(what);
}

/** Namespaces by name or by label. */
export function namespacesField(field: string, description: string) {
  return z
    .object({
      names: nameList('The namespaces, by name.').optional(),
      selector: labelSelectorField(
        `${field}.selector`,
        'The namespaces, by their labels; an empty selector ({}) means every namespace.',
      ).optional(),
    })
    .meta(
      cel({
        rule: 'has(self.names) != has(self.selector)',
        message: `${field} needs names or selector, one of the two; selector: {} means every namespace`,
      }),
    )
    .describe(description);
}

/** Where a template prints nothing below a field, the API server forgets the field, and what is left means everybody. */
export const FROM_RULE: CelRule = {
  rule: 'has(self.namespaces) || has(self.names) || has(self.selector) || has(self.owners) || has(self.groups)',
  message:
    'spec.from[] says nothing, which would be every MeshPeer of the namespace; write selector: {} if that is meant',
};

/** Ways to choose MeshPeers, besides their namespaces. */
export const fromFields = {
  names: nameList('MeshPeers by name.').optional(),
  selector: labelSelectorField('spec.from[].selector', 'MeshPeers by their labels.').optional(),
  owners: nameList(
    'MeshPeers by spec.owner, to the letter. Nobody names somebody else there where the policy sallyport-owners is on.',
  ).optional(),
  groups: nameList(
    'MeshPeers that name one of these in spec.groups. Where the policy sallyport-owners is on, who may not act-for-owner names none there that they are not in.',
  ).optional(),
};

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

/** Ways to choose Services of a namespace, and their ports. */
export const toFields = {
  names: nameList('Services by name.').optional(),
  selector: labelSelectorField('spec.to[].selector', "Services by the Services' own labels.").optional(),
  ports: z
    .array(portSchema)
    .min(1)
    .max(32)
    .optional()
    .describe('Their ports. Left out: every TCP and UDP port that there is.'),
};

/** Names and labels would be two questions. */
export const TO_RULE: CelRule = {
  rule: '!(has(self.names) && has(self.selector))',
  message: 'spec.to[] takes names or selector, not both: write two entries, or leave one of the two out',
};

/** The spec of a grant with these entries. */
export function accessSpec<F extends z.ZodType, T extends z.ZodType>(from: F, to: T) {
  return z
    .object({
      from: z.array(from).min(1).max(16).describe('Who is let through: the devices of all entries together.'),
      to: z.array(to).min(1).max(16).describe('To what: all entries together.'),
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
}

const matchedSchema = (what: string) =>
  z.object({
    matched: z.int().min(0).max(Number.MAX_SAFE_INTEGER).describe(`How many ${what} match.`),
    names: z.array(z.string().max(317)).max(10).optional().describe('The first of them, by name.'),
  });

/** What the operator found. Agents do not read it: they resolve a grant themselves, by the same function. */
export const accessStatusSchema = z
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

/** What `kubectl get` shows of grants. */
export const accessColumns: readonly PrinterColumn[] = [
  conditionColumn('Resolved', 'Resolved', 'status', 'Whether it lets some device reach something.'),
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

export type AccessStatus = Readonly<z.infer<typeof accessStatusSchema>>;
