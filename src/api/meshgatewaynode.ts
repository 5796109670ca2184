import * as z from 'zod';
import { AGE_COLUMN, conditionColumn, type PrinterColumn } from './columns.ts';
import { conditionsSchema } from './conditions.ts';
import { GROUP, VERSION } from './names.ts';
import { objectMetaSchema, type ResourceType } from './resource.ts';

/** What `status.withoutPresharedKey` has room for. */
export const MOST_WITHOUT_PRESHARED_KEY = 1024;

const reportedConnectionSchema = z
  .object({
    peer: z.string().max(317).describe('The MeshPeer as namespace/name.'),
    endpoint: z.string().max(300).describe("The device's address and UDP port as this node sees it."),
    lastHandshake: z
      .string()
      .max(64)
      .meta({ format: 'date-time' })
      .describe(
        'The latest handshake, or one up to five minutes before it; always the latest of a device that another node has a session with too.',
      ),
    since: z
      .string()
      .max(64)
      .meta({ format: 'date-time' })
      .describe('Since when the device has been connected without a break.'),
    publicKey: z
      .string()
      .max(44)
      .optional()
      .describe('Which of its two keys the device uses here; told while it has two.'),
    released: z
      .boolean()
      .optional()
      .describe('Whether the device may go to another node: this one is about to go, or reaches no Services.'),
    byOtherKey: z.boolean().optional().describe('Whether the session is by otherPublicKey.'),
  })
  .describe('One live session on this node.');

const livenessSchema = z
  .object({
    publicKey: z
      .string()
      .max(44)
      .describe("With which key this node's agent asks other nodes whether they live; it opens nothing there."),
    addresses: z
      .array(z.string().max(64))
      .max(8)
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .describe('At which addresses they ask this one.'),
    unreachable: z
      .array(
        z
          .object({
            node: z.string().max(253).describe('The node that does not answer.'),
            asked: z
              .int()
              .min(0)
              .max(Number.MAX_SAFE_INTEGER)
              .describe(
                'Grows each time its agent is asked to say that it lives, thrice for each doubt; 0 for a node that never answered.',
              ),
          })
          .describe('One node that does not answer this one.'),
      )
      .max(64)
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .describe(
        'Which nodes do not answer this one. Without a sign of life from their agents, others take their devices over.',
      ),
    answered: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .describe('Grows with each answer to others who cannot reach this node: its agent lives.'),
    recovering: z
      .boolean()
      .optional()
      .describe(
        'True while this node reaches no Services and for a minute after, as its agent last said: others take devices over before it does.',
      ),
  })
  .describe('How the nodes of a gateway watch each other.');

export const meshGatewayNodeSpecSchema = z
  .object({
    gateway: z.string().min(1).max(63).describe('The MeshGateway that is served.'),
    node: z.string().min(1).max(253).describe('The node that serves it.'),
  })
  .describe('Which gateway on which node.');

/** One agent's report on one gateway on its node. That the agent lives is told by the Lease of the same name, not here. */
export const meshGatewayNodeStatusSchema = z
  .object({
    dataplane: z.enum(['Kernel', 'Userspace']).optional().describe('Which WireGuard this node runs.'),
    publicKey: z.string().max(44).optional().describe('The public key of the interface.'),
    otherPublicKey: z
      .string()
      .max(44)
      .optional()
      .describe('The public key of the second interface, while one key of the gateway takes the place of the other.'),
    mtu: z.int().min(0).max(65535).optional().describe('The MTU of the interface.'),
    proxyMode: z
      .string()
      .max(63)
      .optional()
      .describe('How Services are proxied on this node: nftables, iptables, ipvs or unknown.'),
    gatewayGeneration: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .optional()
      .describe("The MeshGateway's metadata.generation whose spec the node holds."),
    appliedResourceVersion: z
      .string()
      .max(64)
      .optional()
      .describe(
        'Every MeshPeer as it was at this resourceVersion, or later, is in the interface. Told at once where a MeshPeer waits for it, else up to five minutes later.',
      ),
    peers: z.int().min(0).max(1048576).optional().describe('Peers in the interface.'),
    withoutPresharedKey: z
      .array(z.string().max(317))
      .max(MOST_WITHOUT_PRESHARED_KEY)
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .optional()
      .describe(
        'MeshPeers as namespace/name whose present preshared key has not reached this node yet; as many as fit, so of a full list others may be missing.',
      ),
    connected: z.int().min(0).max(1048576).optional().describe('Peers with a live session.'),
    connections: z
      .array(reportedConnectionSchema)
      .max(4096)
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .optional()
      .describe('Live sessions.'),
    liveness: livenessSchema.optional(),
    conditions: conditionsSchema.optional(),
  })
  .describe('What the agent found and did.');

export const meshGatewayNodeSchema = z
  .object({
    apiVersion: z.string(),
    kind: z.string(),
    metadata: objectMetaSchema,
    spec: meshGatewayNodeSpecSchema,
    status: meshGatewayNodeStatusSchema.optional(),
  })
  .describe(
    "One agent's report on one gateway on its node. Sallyport makes and removes these; they are read, not written, by people.",
  );

/** What `kubectl get meshgatewaynodes` shows. */
export const meshGatewayNodeColumns: readonly PrinterColumn[] = [
  { name: 'Gateway', type: 'string', description: 'The MeshGateway.', jsonPath: '.spec.gateway' },
  { name: 'Node', type: 'string', description: 'The node that serves it.', jsonPath: '.spec.node' },
  { name: 'Dataplane', type: 'string', description: 'Which WireGuard runs.', jsonPath: '.status.dataplane' },
  conditionColumn('Programmed', 'Programmed', 'status', 'Whether the node holds what the resources say.'),
  conditionColumn('Services', 'ServicesReachable', 'status', 'Whether the probe reached a Service through this node.'),
  conditionColumn('Reason', 'ServicesReachable', 'reason', 'Which step of the probe failed.'),
  { name: 'Peers', type: 'integer', description: 'Peers in the interface.', jsonPath: '.status.peers' },
  { name: 'Connected', type: 'integer', description: 'Peers with a live session.', jsonPath: '.status.connected' },
  AGE_COLUMN,
];

export type MeshGatewayNode = Readonly<z.infer<typeof meshGatewayNodeSchema>>;
export type MeshGatewayNodeStatus = Readonly<z.infer<typeof meshGatewayNodeStatusSchema>>;
export type Liveness = Readonly<z.infer<typeof livenessSchema>>;
export type ReportedConnection = Readonly<z.infer<typeof reportedConnectionSchema>>;

export const meshGatewayNodeType: ResourceType<MeshGatewayNode> = {
  group: GROUP,
  version: VERSION,
  kind: 'MeshGatewayNode',
  plural: 'meshgatewaynodes',
  namespaced: true,
  parse: (raw) => meshGatewayNodeSchema.parse(raw),
};
