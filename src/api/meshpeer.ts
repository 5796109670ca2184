import * as z from 'zod';
import { AGE_COLUMN, conditionColumn, type PrinterColumn } from './columns.ts';
import { conditionsSchema } from './conditions.ts';
import { addressField, cel, labelField, objectNameField, publicKeyField, timeField } from './fields.ts';
import { GROUP, VERSION } from './names.ts';
import { objectMetaSchema, parserWithoutBadStatus, type ResourceType } from './resource.ts';

/** What a person writes about one device. */
export const meshPeerSpecSchema = z
  .object({
    publicKey: publicKeyField(
      'spec.publicKey',
      'The WireGuard public key of the device. The private key never leaves the device.',
    ),
    nextPublicKey: publicKeyField(
      'spec.nextPublicKey',
      'The key that the device changes to, let in beside spec.publicKey so that nothing is cut off meanwhile. Each gateway node serves whichever of both keys shook hands last. The change ends when spec.publicKey is set to it and this field is removed; the condition NextKeyInUse says when that may be done. `sallyport rotate` does all of it.',
    ).optional(),
    gateways: z
      .array(labelField('spec.gateways[]', 'The name of a MeshGateway.'))
      .min(1)
      .max(8)
      .meta({ 'x-kubernetes-list-type': 'set' })
      .optional()
      .describe(
        'The MeshGateways to attach to, most preferred first. Left out: every gateway that admits this namespace.',
      ),
    addresses: z
      .array(addressField('spec.addresses[]', 'A mesh address.'))
      .min(1)
      .max(2)
      .meta(
        cel({
          rule: 'self.size() < 2 || !self.all(a, isIP(a)) || ip(self[0]).family() != ip(self[1]).family()',
          message: 'spec.addresses may hold one IPv4 and one IPv6 address, not two of the same family',
        }),
      )
      .optional()
      .describe(
        'Wished mesh addresses, at most one per family, inside the mesh pool. Left out: Sallyport chooses, stably by namespace and name.',
      ),
    expiresAt: timeField(
      'spec.expiresAt',
      'From this time on no gateway lets the device in, whether or not the operator runs; a day later, or as the chart says, the operator deletes the MeshPeer. RFC 3339, such as 2030-01-31T18:00:00Z.',
    ).optional(),
    suspended: z
      .boolean()
      .default(false)
      .describe('While true, no gateway lets the device in; it keeps its addresses.'),
    presharedKeySecretName: objectNameField(
      'spec.presharedKeySecretName',
      "A Secret in Sallyport's own namespace, of type sallyport.dev/preshared-key and annotated with sallyport.dev/peer: NAMESPACE/NAME of this MeshPeer, whose entry presharedKey holds what `wg genpsk` prints. Without that key no gateway lets the device in.",
    ).optional(),
    persistentKeepalive: z
      .int()
      .min(0)
      .max(65535)
      .default(25)
      .describe(
        "Seconds between the device's keepalive packets, which hold NAT mappings open; 0 turns them off. Goes into status.config.",
      ),
    owner: z
      .string()
      .min(1)
      .max(253)
      .meta(
        cel({
          rule: "!self.matches(r'[[:cntrl:]]')",
          message: 'spec.owner must be one line without control characters, such as an e-mail address',
        }),
      )
      .optional()
      .describe('Whose device this is, for people and audits, such as an e-mail address.'),
    groups: z
      .array(z.string().min(1).max(253))
      .min(1)
      .max(16)
      .meta({
        'x-kubernetes-list-type': 'set',
        ...cel({
          rule: "self.all(group, !group.matches(r'[[:cntrl:]]'))",
          message: 'spec.groups[] must be one line each, without control characters',
        }),
      })
      .optional()
      .describe(
        'Groups of the owner, as the API server knows them (kubectl auth whoami), which grants may name. Where the policy sallyport-owners is on, who may not act-for-owner adds none that they are not in themselves; leaving a group does not take it away here.',
      ),
  })
  .meta(
    cel(
      {
        rule: '!has(self.nextPublicKey) || self.nextPublicKey != self.publicKey',
        message:
          'spec.nextPublicKey must be another key than spec.publicKey: make a key pair for the device to change to with `sallyport key` or `wg genkey`, or leave spec.nextPublicKey out',
      },
      {
        rule: '!has(self.groups) || has(self.owner)',
        message: 'spec.groups are those of spec.owner: name the owner too, or leave spec.groups out',
      },
    ),
  )
  .describe('The device as it should be.');

const connectionSchema = z
  .object({
    gateway: z.string().max(63).describe('The MeshGateway.'),
    node: z.string().max(253).describe('The node that holds the session.'),
    endpoint: z.string().max(300).describe("The device's address and UDP port as that node sees it."),
    lastHandshake: z
      .string()
      .max(64)
      .meta({ format: 'date-time' })
      .describe(
        'The latest handshake told here: at once when the session begins, moves or changes its key, and then again from time to time, so that all devices together cost two writes a second at most. It is up to a quarter of an hour old with 600 devices connected, and up to three hours with 10,000; that the session is listed says that the device was heard within minutes.',
      ),
    since: z
      .string()
      .max(64)
      .meta({ format: 'date-time' })
      .describe('Since when the device has been connected to this node without a break.'),
    publicKey: z
      .string()
      .max(44)
      .optional()
      .describe('Which of its two keys the device uses there; told while it has two.'),
    gatewayKey: z.string().max(44).optional().describe('The public key of the gateway by which the session is.'),
  })
  .describe('One live WireGuard session.');

/** What the operator found and decided. Agents act on `publicKey`, `nextPublicKey`, `presharedKeyVersion`, `addresses`, `gateways` and the Accepted condition, nothing else. */
export const meshPeerStatusSchema = z
  .object({
    observedGeneration: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .optional()
      .describe('The metadata.generation that this status is about.'),
    publicKey: z
      .string()
      .max(44)
      .optional()
      .describe('The public key that gateways let in: spec.publicKey once it is accepted.'),
    nextPublicKey: z
      .string()
      .max(44)
      .optional()
      .describe('The other public key that gateways let in: spec.nextPublicKey once it is accepted.'),
    nextPublicKeySince: z
      .string()
      .max(64)
      .meta({ format: 'date-time' })
      .optional()
      .describe('Since when both keys have been let in.'),
    presharedKeyVersion: z
      .string()
      .max(64)
      .optional()
      .describe(
        'Which version of the preshared key the gateways ask for. It is a name that changes with the Secret and tells nothing of the key.',
      ),
    addresses: z.array(z.string().max(39)).max(2).optional().describe('The mesh addresses that the device holds.'),
    gateways: z
      .array(z.string().max(63))
      .max(64)
      .optional()
      .describe('The gateways that let this device in, most preferred first.'),
    connections: z
      .array(connectionSchema)
      .max(256)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['gateway', 'node'] })
      .optional()
      .describe('Live sessions, by gateway and node.'),
    gatewayKeys: z
      .array(
        z
          .object({
            gateway: z.string().max(63).describe('The MeshGateway.'),
            publicKey: z.string().max(44).describe('Its public key by which the device came last.'),
          })
          .describe('A key of a gateway.'),
      )
      .max(64)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['gateway'] })
      .optional()
      .describe('By which key of each gateway the device came last: a former one ends, and the device with it.'),
    config: z
      .string()
      .max(16384)
      .optional()
      .describe(
        'A complete wg-quick file but for the private key, which its PostUp line reads from /etc/wireguard/INTERFACE.key on the device; and but for the preshared key, if there is one, which another reads from /etc/wireguard/INTERFACE.psk.',
      ),
    conditions: conditionsSchema.optional(),
  })
  .describe('The device as it is.');

export const meshPeerSchema = z
  .object({
    apiVersion: z.string(),
    kind: z.string(),
    // Of managedFields: the program that changed the object last, its status aside.
    metadata: objectMetaSchema.extend({ writtenBy: z.string().optional() }),
    spec: meshPeerSpecSchema,
    status: meshPeerStatusSchema.optional(),
  })
  .describe(
    "One device that may enter the mesh: a laptop, a CI job, another cluster. Once it is accepted, status.config holds the device's complete WireGuard configuration but for its private key.",
  );

/** What `kubectl get meshpeers` shows. */
export const meshPeerColumns: readonly PrinterColumn[] = [
  conditionColumn('Accepted', 'Accepted', 'status', 'Whether some gateway lets the device in.'),
  conditionColumn('Programmed', 'Programmed', 'status', 'Whether the gateway nodes know the device.'),
  conditionColumn('Connected', 'Connected', 'status', 'Whether the device has a live session.'),
  { name: 'Address', type: 'string', description: "The device's mesh address.", jsonPath: '.status.addresses[0]' },
  conditionColumn('Reason', 'Accepted', 'reason', 'Why the device is accepted or not.'),
  { name: 'Expires', type: 'string', description: 'When the device is shut out.', jsonPath: '.spec.expiresAt' },
  { name: 'Gateways', type: 'string', description: 'Who lets it in.', jsonPath: '.status.gateways', priority: 1 },
  { name: 'Owner', type: 'string', description: 'Whose device it is.', jsonPath: '.spec.owner', priority: 1 },
  { name: 'Groups', type: 'string', description: 'Groups of the owner.', jsonPath: '.spec.groups', priority: 1 },
  AGE_COLUMN,
];

/** One device that may enter the mesh. */
export type MeshPeer = Readonly<z.infer<typeof meshPeerSchema>>;
export type MeshPeerSpec = MeshPeer['spec'];
export type MeshPeerStatus = Readonly<z.infer<typeof meshPeerStatusSchema>>;
export type Connection = Readonly<z.infer<typeof connectionSchema>>;

export const meshPeerType: ResourceType<MeshPeer> = {
  group: GROUP,
  version: VERSION,
  kind: 'MeshPeer',
  plural: 'meshpeers',
  namespaced: true,
  parse: parserWithoutBadStatus(meshPeerSchema),
};
