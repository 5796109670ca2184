import { findCondition, isTrue } from '../api/conditions.ts';
import { type GatewayNode, some } from './view.ts';

/** At this length a node's message can still be read, and the messages of so many nodes fit into a condition. */
const MOST_MESSAGE = 1000;
const MOST_PROBLEMS = 3;

/** What the nodes say in their condition of this type: each problem once, with the nodes that have it. */
export function nodeProblems(nodes: readonly GatewayNode[], type: string): string {
  const nodesWith = new Map<string, string[]>();
  for (const { report } of nodes) {
    const condition = findCondition(report.status?.conditions ?? [], type);
    const problem = condition === undefined ? 'it has not reported yet.' : condition.message.slice(0, MOST_MESSAGE);
    nodesWith.set(problem, [...(nodesWith.get(problem) ?? []), report.spec.node]);
  }
  const problems = [...nodesWith]
    .map(([problem, names]) => `On node${names.length > 1 ? 's' : ''} ${some(names.sort())}: ${problem}`)
    .sort();
  const more = problems.length - MOST_PROBLEMS;
  return `${problems.slice(0, MOST_PROBLEMS).join(' ')}${more > 0 ? ` And ${more} other problems on other nodes.` : ''}`;
}

/** What the node answers to the question of this condition; undefined when it has not been asked. */
export function statusOf({ report }: GatewayNode, type: string): string | undefined {
  const conditions = report.status?.conditions ?? [];
  return isTrue(conditions, type) ? 'True' : findCondition(conditions, type)?.status;
}
