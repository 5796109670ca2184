import * as z from 'zod';
import { conditionsSchema } from './conditions.ts';

/** As many MeshPeers that still use the former key are named. */
export const MOST_NAMED_PEERS = 32;

/** As many nodes that share an endpoint are named. */
export const MOST_NAMED_NODES = 16;

const time = () => z.string().max(64).meta({ format: 'date-time' });

const gatewayKeySchema = z
  .object({
    publicKey: z.string().max(44).describe('The public key.'),
    state: z
      .enum(['Current', 'Next', 'Former'])
      .describe(
        'Current: what devices are told. Next: on its way to the nodes, and told once all of them have it. Former: holds a while longer.',
      ),
    slot: z
      .int()
      .min(1)
      .max(2)
      .describe(
        'Which of two ports and interfaces the key has for life: with 1 those of spec.listenPort, with 2 those of spec.keyRotation.listenPort.',
      ),
    listenPort: z.int().min(1).max(65535).describe('The UDP port of this key on every node.'),
    interface: z.string().max(15).describe('The interface of this key on every node.'),
    newer: z
      .boolean()
      .optional()
      .describe(
        'True for a former key that came to the nodes after the one that devices are told, because that one was put back.',
      ),
    until: time().optional().describe('When the former key ends at the latest.'),
    peers: z.int().min(0).max(1048576).optional().describe('MeshPeers that have not come by the current key yet.'),
    peerNames: z
      .array(z.string().max(317))
      .max(MOST_NAMED_PEERS)
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .optional()
      .describe('Some of them, as namespace/name.'),
    unusedSince: time().optional().describe('Since when nobody has needed the former key any more.'),
  })
  .describe('One key of the gateway.');

const endpointSchema = z
  .object({
    endpoint: z.string().max(300).describe('Host and port.'),
    source: z
      .enum(['Host', 'DNS', 'Service', 'Node'])
      .describe(
        "Where it comes from: spec.endpoint.hosts, spec.endpoint.dns, the Service (a load balancer's address, or a node's with the NodePort), or a node.",
      ),
    nodes: z
      .array(z.string().max(253))
      .max(MOST_NAMED_NODES)
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .optional()
      .describe('The nodes that it leads to, where it leads to certain ones.'),
    address: z
      .enum(['Annotation', 'ExternalIP', 'InternalIP'])
      .optional()
      .describe('What of the node it is: its annotation sallyport.dev/endpoint, or an address in its status.'),
    agent: z
      .enum(['Serving', 'NotServing', 'Unknown'])
      .optional()
      .describe(
        'Whether an agent stands behind it that is alive, programmed, and whose probe reaches Services: on one of its nodes, or on any where it leads to all. Unknown for spec.endpoint.hosts.',
      ),
    since: time()
      .optional()
      .describe('Since when agent says so; left out of a node that has not served since its endpoint appeared.'),
  })
  .describe('One way in.');

/** What the operator found and decided. Agents read `publicKey`, `keys`, `addresses`, `pool`, `serviceCIDRs`, `internet`, `dns`, `leavingNodes` and Accepted back, nothing else. */
export const meshGatewayStatusSchema = z
  .object({
    observedGeneration: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .optional()
      .describe('The metadata.generation that this status is about.'),
    publicKey: z.string().max(44).optional().describe('The WireGuard public key that all nodes of this gateway share.'),
    keys: z
      .array(gatewayKeySchema)
      .max(2)
      .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['publicKey'] })
      .optional()
      .describe('The keys that the nodes serve: one, or two while one takes the place of the other.'),
    addresses: z
      .array(z.string().max(39))
      .max(2)
      .optional()
      .describe("The gateway's own mesh addresses, the same on every node."),
    pool: z.array(z.string().max(43)).max(2).optional().describe('The mesh pool that device addresses come from.'),
    endpoints: z
      .array(endpointSchema)
      .max(256)
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .optional()
      .describe('How devices dial in, most preferred first.'),
    serviceCIDRs: z
      .array(
        z
          .object({
            cidr: z.string().max(43).describe('A service CIDR.'),
            source: z.string().max(253).describe('Where it was found.'),
          })
          .describe('One service CIDR.'),
      )
      .max(32)
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .optional()
      .describe("The cluster's service CIDRs."),
    internet: z
      .object({
        excluded: z
          .array(z.string().max(43))
          .max(1024)
          .describe('What of the cluster has public addresses and stays out of reach: nodes, pods, Services.'),
      })
      .optional()
      .describe('What spec.advertise.internet comes to.'),
    dns: z
      .object({
        servers: z.array(z.string().max(39)).max(3).describe('Resolvers.'),
        domain: z.string().max(253).describe("The cluster's domain."),
      })
      .optional()
      .describe('The resolvers that status.config names.'),
    proxyMode: z
      .string()
      .max(63)
      .optional()
      .describe('How Services are proxied on the gateway nodes, as the agents see it.'),
    mtu: z.int().min(0).max(65535).optional().describe('The MTU that status.config names.'),
    leavingNodes: z
      .array(
        z
          .object({
            node: z.string().max(253).describe('The node.'),
            reason: z.string().max(400).describe('Why it is believed to go.'),
            since: time().describe('Since when.'),
          })
          .describe('One node.'),
      )
      .max(1024)
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .optional()
      .describe(
        'Nodes that are about to go, whose devices the others take over: cordoned, shutting down, tainted by an autoscaler or a notice of interruption, being deleted, or no Node of the cluster any more.',
      ),
    nodes: z
      .object({
        selected: z.int().min(0).max(100000).describe('Nodes that the selector matches.'),
        ready: z
          .int()
          .min(0)
          .max(100000)
          .describe('Nodes whose agent is alive, programmed, and whose probe reaches Services.'),
      })
      .optional()
      .describe('How many nodes serve this gateway.'),
    peers: z
      .object({
        accepted: z.int().min(0).max(1048576).describe('MeshPeers that this gateway lets in.'),
        connected: z.int().min(0).max(1048576).describe('MeshPeers with a live session on some node.'),
      })
      .optional()
      .describe('How many devices use this gateway.'),
    conditions: conditionsSchema.optional(),
  })
  .describe('The gateway as it is.');
