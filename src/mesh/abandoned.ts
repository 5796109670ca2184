import type { Node } from '../api/core.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { MeshGatewayNode } from '../api/meshgatewaynode.ts';
import { servingNodes } from './selectors.ts';
import type { GatewayNode } from './view.ts';

/** Reports that no living agent stands behind, of nodes that do not serve the gateway. */
export interface Abandoned {
  /** The node is still part of the cluster: it may hold the gateway's interface, with every peer that was let in when its agent died. */
  readonly unclean: readonly MeshGatewayNode[];
  /** The node is not, and all that is left of it is the report. */
  readonly gone: readonly MeshGatewayNode[];
}

/**
 * A node takes a gateway off itself and deletes its report when its agent ends because the node is no longer selected. A report
 * that stays is of an agent that could not: it was killed, its node was down, or the API server did not answer.
 */
export function abandonedNodes(
  gateway: MeshGateway,
  nodes: readonly Node[],
  reports: readonly GatewayNode[],
): Abandoned {
  const present = new Set(nodes.map(({ metadata }) => metadata.name));
  const serving = new Set(servingNodes(gateway, nodes));
  const silent = reports.filter(({ alive, report }) => !alive && !serving.has(report.spec.node));
  const isPresent = ({ report }: GatewayNode) => present.has(report.spec.node);
  return {
    unclean: silent.filter(isPresent).map(({ report }) => report),
    gone: silent.filter((node) => !isPresent(node)).map(({ report }) => report),
  };
}
