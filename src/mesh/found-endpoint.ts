import type { Reason } from '../api/conditions.ts';
import type { Endpoint } from '../net/endpoint.ts';

/** What of a node an endpoint is: its annotation, or an address in its status. */
export type NodeAddress = 'Annotation' | 'ExternalIP' | 'InternalIP';

/** One way in, whether or not anybody is behind it. */
export interface FoundEndpoint {
  readonly endpoint: Endpoint;
  readonly source: 'Host' | 'DNS' | 'Service' | 'Node';
  /** The nodes that it leads to; undefined where it leads to all of them, or nobody knows. */
  readonly nodes?: readonly string[];
  /** Which address of the node it is, where it is that of a node. */
  readonly address?: NodeAddress;
}

/** Something that should be a way in and is none: a reason for programs and a sentence with the remedy for people. */
export interface EndpointProblem {
  readonly reason: Exclude<Reason<'MeshGateway', 'EndpointsFound'>, 'Found'>;
  readonly message: string;
}
