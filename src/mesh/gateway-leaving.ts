import { conditionsFrom, verdict } from '../api/conditions.ts';
import type { MeshGateway, MeshGatewayStatus } from '../api/meshgateway.ts';
import { timestamp } from '../api/timestamp.ts';
import { some } from './view.ts';

/** The status of a deleted gateway that waits for nodes, until `deadline` at the latest; both times in milliseconds since the epoch. */
export function judgeLeaving(
  { metadata, status }: MeshGateway,
  nodes: readonly string[],
  { now, deadline }: { readonly now: number; readonly deadline: number },
): MeshGatewayStatus {
  const message = `Being deleted: waiting for ${some(nodes)} to remove what they made, until ${timestamp(deadline)} at the latest.`;
  const leaving = verdict('MeshGateway', 'Ready', 'False', 'CleaningUp', message);
  const before = status?.conditions ?? [];
  const [ready] = conditionsFrom([leaving], before, metadata.generation ?? 0, timestamp(now));
  const others = before.filter(({ type }) => type !== 'Ready');
  return { ...status, conditions: ready === undefined ? others : [...others, ready] };
}
