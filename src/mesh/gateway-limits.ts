import { type Reason, type Verdict, verdict } from '../api/conditions.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { nodeProblems, statusOf } from './node-problems.ts';
import type { GatewayNode } from './view.ts';

/*
 * What nodes say of the limits that they have come to. It is told of the gateway as well, where people look, and does not make it unready:
 * devices that are connected are served.
 */

/** Whether the gateway's nodes have room for connections. */
export function trackingOf(reports: readonly GatewayNode[]): Verdict<'MeshGateway'> {
  const type = 'ConnectionTracking';
  const alive = reports.filter((node) => node.alive);
  const say = (status: 'True' | 'False' | 'Unknown', reason: Reason<'MeshGateway', typeof type>, message: string) =>
    verdict('MeshGateway', type, status, reason, message);
  const full = alive.filter((node) => statusOf(node, type) === 'False');
  if (full.length > 0) return say('False', 'NearlyFull', nodeProblems(full, type));
  const roomy = alive.filter((node) => statusOf(node, type) === 'True');
  if (roomy.length === 0) return say('Unknown', 'NotObserved', 'No node has looked at its connection tracking yet.');
  return say('True', 'Enough', `There is room for connections on ${roomy.length} of ${alive.length} live nodes.`);
}

/** Whether the gateway's nodes open all that grants allow; undefined where grants decide nothing. */
export function grantsOf({ spec }: MeshGateway, reports: readonly GatewayNode[]): Verdict<'MeshGateway'> | undefined {
  if (spec.access.default === 'Allow') return undefined;
  const type = 'GrantsOpened';
  const alive = reports.filter((node) => node.alive);
  const say = (status: 'True' | 'False' | 'Unknown', reason: Reason<'MeshGateway', typeof type>, message: string) =>
    verdict('MeshGateway', type, status, reason, message);
  const cut = alive.filter((node) => statusOf(node, type) === 'False');
  if (cut.length > 0) return say('False', 'TooMany', nodeProblems(cut, type));
  const whole = alive.filter((node) => statusOf(node, type) === 'True');
  if (whole.length === 0) return say('Unknown', 'NotObserved', 'No node has seen the grants yet.');
  return say(
    'True',
    'Opened',
    `On ${whole.length} of ${alive.length} live nodes no grant opens less because all together are too many.`,
  );
}
