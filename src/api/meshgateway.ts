import * as z from 'zod';
import { AGE_COLUMN, conditionColumn, type PrinterColumn } from './columns.ts';
import { endpointSchema } from './endpoint-fields.ts';
import {
  addressField,
  type CelRule,
  cel,
  cidrField,
  domainField,
  durationField,
  endpointField,
  labelSelectorField,
  labelsField,
} from './fields.ts';
import { meshGatewayStatusSchema } from './meshgateway-status.ts';
import { DEFAULT_LISTEN_PORT, GROUP, VERSION } from './names.ts';
import { objectMetaSchema, parserWithoutBadStatus, type ResourceType } from './resource.ts';

/**
 * A device that asks short questions by UDP at its full rate has 17,000 open: a burst of 2000, and 500 a second until the kernel forgets them
 * after 30 s. Of the 131,072 entries that kube-proxy gives even a small node it is less than a sixth.
 */
const DEFAULT_MAX_CONNECTIONS = 20_000;

const tolerationSchema = z
  .object({
    key: z.string().max(317).optional().describe('The taint key; empty with operator Exists tolerates every taint.'),
    operator: z.enum(['Exists', 'Equal']).optional().describe('How the value is compared; Equal when left out.'),
    value: z.string().max(63).optional().describe('The taint value for Equal.'),
    effect: z
      .enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'])
      .optional()
      .describe('The taint effect; every effect when left out.'),
    tolerationSeconds: z
      .int()
      .min(0)
      .max(2 ** 31)
      .optional()
      .describe('For NoExecute: seconds to stay after the taint appears.'),
  })
  .meta(
    cel(
      {
        rule: "(has(self.key) && self.key != '') || (has(self.operator) && self.operator == 'Exists')",
        message:
          'spec.tolerations[] without a key tolerates every taint: say so with operator: Exists, or name the key',
      },
      {
        rule: "!(has(self.operator) && self.operator == 'Exists' && has(self.value) && self.value != '')",
        message: 'spec.tolerations[].value belongs to operator Equal: leave it out with Exists',
      },
      {
        rule: "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
        message:
          'spec.tolerations[].tolerationSeconds belongs to effect NoExecute: set that effect or leave the seconds out',
      },
    ),
  )
  .describe("A taint that the gateway's pods tolerate, as in a pod.");

const internetSchema = z
  .object({
    enabled: z
      .boolean()
      .default(false)
      .describe(
        "Whether devices may send all their traffic out by the cluster's nodes, with the nodes' addresses: `sallyport up --full`. Without --full a device's traffic stays as it was. They reach public addresses alone, and still not: nodes, pods, Services beyond what access allows, private and link-local ranges and cloud metadata unless spec.advertise.cidrs names them, each other.",
      ),
    access: z
      .enum(['AsDefault', 'Allow'])
      .default('AsDefault')
      .describe(
        'Who: AsDefault: every device, but nobody where spec.access.default is Deny; Allow: every device also there.',
      ),
    except: z
      .array(cidrField('spec.advertise.internet.except[]', 'A range that stays out of reach.'))
      .max(64)
      .default([])
      .describe(
        "Public ranges that devices do not reach either: pods with public addresses that no node's podCIDRs hold, or what trusts the nodes' addresses, such as an API server or a database that admits them.",
      ),
  })
  .default({ enabled: false, access: 'AsDefault', except: [] })
  .describe('The internet, for devices that send all their traffic through the gateway.');

/** The rule that no prefix of a list holds another one, or itself twice. */
function disjoint(field: string): CelRule {
  return {
    rule: 'self.all(a, !isCIDR(a) || self.filter(b, isCIDR(b) && cidr(a).containsCIDR(b)).size() == 1)',
    message: `${field} must not overlap each other: keep the wider range and leave out the one inside it`,
  };
}

const keyRotationSchema = z
  .object({
    overlap: durationField(
      'spec.keyRotation.overlap',
      'How long the former key holds once devices are told the new one; it ends earlier when every device has come by the new one. 0s ends it at once.',
    ).default('7d'),
    listenPort: z
      .int()
      .min(1)
      .max(65535)
      .optional()
      .describe(
        'The UDP port of every second key: keys take turns between this one and spec.listenPort, and each keeps its port for life. Left out: the port after spec.listenPort. Firewalls in front of the nodes must let both in.',
      ),
    nodePort: z
      .int()
      .min(1)
      .max(65535)
      .optional()
      .describe('The NodePort of that port, where the operator makes a Service; Kubernetes chooses one when left out.'),
    hosts: z
      .array(
        endpointField(
          'spec.keyRotation.hosts[]',
          'A host name or address, with a port where it differs from that of the second key.',
        ),
      )
      .max(16)
      .meta({ 'x-kubernetes-list-type': 'set' })
      .default([])
      .describe(
        'Under which names and ports devices reach the second port, where spec.endpoint.hosts has ports other than spec.listenPort. Left out: spec.endpoint.hosts with the second port.',
      ),
    request: z
      .string()
      .min(1)
      .max(63)
      .optional()
      .describe(
        'Another value than before has the operator make a new key, where the operator made the Secret; a Secret that you supply rotates when its key changes.',
      ),
  })
  .describe("How another key takes the place of the gateway's key.");

/** What a platform engineer writes about one gateway. */
export const meshGatewaySpecSchema = z
  .object({
    nodeSelector: labelsField(
      'spec.nodeSelector',
      'Labels of the nodes that serve this gateway. Left out: every Linux node.',
    ).default({}),
    tolerations: z.array(tolerationSchema).max(32).default([]).describe("Taints that the gateway's pods tolerate."),
    listenPort: z
      .int()
      .min(1)
      .max(65535)
      .default(DEFAULT_LISTEN_PORT)
      .describe(
        'The UDP port that WireGuard listens on, on every gateway node. 51820, 51821 and 51871 are taken by Calico and Cilium on many nodes.',
      ),
    endpoint: endpointSchema,
    advertise: z
      .object({
        services: z
          .object({
            enabled: z
              .boolean()
              .default(true)
              .describe("Whether devices route the cluster's service CIDRs through this gateway."),
            cidrs: z
              .array(cidrField('spec.advertise.services.cidrs[]', 'A service CIDR.'))
              .max(16)
              .meta(cel(disjoint('spec.advertise.services.cidrs')))
              .default([])
              .describe(
                'The service CIDRs. Left out: detected (ServiceCIDR objects, then the kubeadm configuration) and followed as they change.',
              ),
          })
          .default({ enabled: true, cidrs: [] })
          .describe("The cluster's Services."),
        cidrs: z
          .array(cidrField('spec.advertise.cidrs[]', 'A range that devices route through the gateway.'))
          .max(32)
          .meta(cel(disjoint('spec.advertise.cidrs')))
          .default([])
          .describe('What else devices route through the gateway, such as a database subnet or a pod CIDR.'),
        internet: internetSchema,
      })
      .default({
        services: { enabled: true, cidrs: [] },
        cidrs: [],
        internet: { enabled: false, access: 'AsDefault', except: [] },
      })
      .describe('What devices reach through this gateway.'),
    allowedPeers: z
      .object({
        namespaces: z
          .object({
            from: z
              .enum(['All', 'Selector', 'None'])
              .default('All')
              .describe('From which namespaces MeshPeers may attach.'),
            selector: labelSelectorField(
              'spec.allowedPeers.namespaces.selector',
              'For Selector: labels of the namespaces, such as kubernetes.io/metadata.name In [team-a].',
            ).optional(),
          })
          .meta(
            cel({
              rule: "(self.from == 'Selector') == has(self.selector)",
              message: 'spec.allowedPeers.namespaces.selector belongs to from: Selector; set both or neither',
            }),
          )
          .default({ from: 'All' })
          .describe('The namespaces that this gateway admits.'),
      })
      .default({ namespaces: { from: 'All' } })
      .describe('Who may attach.'),
    access: z
      .object({
        default: z
          .enum(['Allow', 'Deny'])
          .default('Allow')
          .describe('What a device may reach without a grant: everything advertised, or cluster DNS alone.'),
        peerToPeer: z
          .enum(['Deny', 'Allow'])
          .default('Deny')
          .describe('Whether devices on the same node of this gateway may reach each other.'),
        newConnectionsPerSecond: z
          .int()
          .min(0)
          .max(1_000_000)
          .default(500)
          .describe(
            "How many connections a device may open in a second through one node, and four times as many at once; what is more is dropped, so that programs try again a second later and the node's connection tracking is not filled. 0: any number.",
          ),
        maxConnections: z
          .int()
          .min(0)
          .max(1_000_000)
          .default(DEFAULT_MAX_CONNECTIONS)
          .describe(
            "How many connections a device may have open through one node: entries of the node's connection tracking, without those of closed TCP connections. The agent counts them every few seconds; one that has as many is refused more, and keeps those that it has, until it has closed a tenth. 0: any number.",
          ),
      })
      .default({
        default: 'Allow',
        peerToPeer: 'Deny',
        newConnectionsPerSecond: 500,
        maxConnections: DEFAULT_MAX_CONNECTIONS,
      })
      .describe('What devices may do once they are in.'),
    audit: z
      .object({
        connections: z
          .enum(['Denied', 'All', 'None'])
          .default('Denied')
          .describe(
            "Which connections of devices the gateway's agents write to the audit log: those that are refused, those to what access opens as well, with the bytes that they carry, or none.",
          ),
        endpoints: z
          .boolean()
          .default(true)
          .describe(
            'Whether the audit log says from which address of the internet a device is connected. This is personal data.',
          ),
      })
      .default({ connections: 'Denied', endpoints: true })
      .describe('What the agents write to the audit log: JSON lines on their standard output.'),
    mtu: z
      .int()
      .min(1280)
      .max(65455)
      .optional()
      .describe(
        "The MTU of the tunnel. Left out: each node's underlay less 80; the smallest of them goes into status.config.",
      ),
    dns: z
      .object({
        enabled: z.boolean().default(true).describe('Whether status.config names the cluster DNS as resolver.'),
        servers: z
          .array(addressField('spec.dns.servers[]', 'A resolver.'))
          .max(3)
          .meta({ 'x-kubernetes-list-type': 'set' })
          .default([])
          .describe('Resolvers inside what is advertised. Left out: the kube-dns Service of kube-system.'),
        domain: domainField('spec.dns.domain', "The cluster's domain.").default('cluster.local'),
      })
      .default({ enabled: true, servers: [], domain: 'cluster.local' })
      .describe('Names on the device.'),
    keyRotation: keyRotationSchema
      .default({ overlap: '7d', hosts: [] })
      .describe("How another key takes the place of the gateway's key."),
    takeover: z
      .object({
        enabled: z
          .boolean()
          .default(true)
          .describe(
            'Whether nodes ask each other whether they live, and call the devices of one that dies, leaves or reaches no Services, so that they come to another node by themselves. Devices whose NAT or firewall lets in nobody whom they have not dialled do not hear the call.',
          ),
        drain: durationField(
          'spec.takeover.drain',
          'How long connections that are open may go on through a node that is about to go (cordoned, shutting down, tainted by an autoscaler or a notice of interruption, or being deleted), or whose agent ends and wireguard-go with it; for the latter, at most 70s. Devices without any are called by other nodes at once.',
        ).default('60s'),
      })
      .default({ enabled: true, drain: '60s' })
      .describe('How the devices of one node come to another one.'),
    dataplane: z
      .enum(['Auto', 'Kernel', 'Userspace'])
      .default('Auto')
      .describe("Which WireGuard: the kernel's, wireguard-go, or (Auto) the kernel's where it has one."),
  })
  .meta(
    cel({
      rule: '!has(self.keyRotation) || !has(self.keyRotation.listenPort) || self.keyRotation.listenPort != self.listenPort',
      message:
        'spec.keyRotation.listenPort must differ from spec.listenPort: while a key is replaced, the nodes serve both, each on a port of its own',
    }),
  )
  .describe('The gateway as it should be.');

export const meshGatewaySchema = z
  .object({
    apiVersion: z.string(),
    kind: z.string(),
    metadata: objectMetaSchema,
    spec: meshGatewaySpecSchema.prefault({}),
    status: meshGatewayStatusSchema.optional(),
  })
  .describe(
    'One WireGuard identity that every selected node serves. Devices that attach to it reach what it advertises, by default every Service of the cluster.',
  );

/** Rules on the object as a whole: the name becomes part of an interface's, a table's and several children's names. */
export const meshGatewayRules: readonly CelRule[] = [
  {
    rule: "self.metadata.name.size() <= 40 && self.metadata.name.matches('^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')",
    message:
      'metadata.name must be a DNS label of at most 40 characters (lower-case letters, digits and "-", no dots), such as default or office-2: choose a shorter or plainer name',
  },
];

/** What `kubectl get meshgateways` shows. */
export const meshGatewayColumns: readonly PrinterColumn[] = [
  conditionColumn('Ready', 'Ready', 'status', 'Whether devices reach Services through this gateway.'),
  conditionColumn('Reason', 'Ready', 'reason', 'Why it is ready or not.'),
  { name: 'Nodes', type: 'integer', description: 'Nodes that are selected.', jsonPath: '.status.nodes.selected' },
  { name: 'Serving', type: 'integer', description: 'Nodes that serve.', jsonPath: '.status.nodes.ready' },
  { name: 'Peers', type: 'integer', description: 'Devices that are let in.', jsonPath: '.status.peers.accepted' },
  { name: 'Connected', type: 'integer', description: 'Live devices.', jsonPath: '.status.peers.connected' },
  { name: 'Endpoint', type: 'string', description: 'Where to dial.', jsonPath: '.status.endpoints[0].endpoint' },
  AGE_COLUMN,
];

/** One WireGuard identity served by every selected node. */
export type MeshGateway = Readonly<z.infer<typeof meshGatewaySchema>>;
export type MeshGatewaySpec = MeshGateway['spec'];
export type MeshGatewayStatus = NonNullable<MeshGateway['status']>;

export const meshGatewayType: ResourceType<MeshGateway> = {
  group: GROUP,
  version: VERSION,
  kind: 'MeshGateway',
  plural: 'meshgateways',
  namespaced: false,
  parse: parserWithoutBadStatus(meshGatewaySchema),
};
