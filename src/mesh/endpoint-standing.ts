import type { MeshGatewayStatus } from '../api/meshgateway.ts';
import { MOST_NAMED_NODES } from '../api/meshgateway-status.ts';
import { milliseconds, timestamp } from '../api/timestamp.ts';
import type { FoundEndpoint } from './found-endpoint.ts';

/** An endpoint as a gateway's status has it. */
export type ToldEndpoint = NonNullable<MeshGatewayStatus['endpoints']>[number];

/** What `status.endpoints` has room for. */
const MOST_ENDPOINTS = 256;

/**
 * So long may an agent be away before its node's endpoints come after the others: longer than a reboot takes, because another order of the first
 * few is another text in the status of every device.
 */
export const LAST_AFTER_MS = 10 * 60_000;

/** So long may an agent be away before its node leaves the DNS: longer than the agent's pod takes to be replaced. */
export const WITHDRAWN_AFTER_MS = 30_000;

/**
 * The endpoints in the order in which devices are told them, each with whether an agent stands behind it. Those of a node whose agent has been
 * away for long come last, and so do those of a new node until it has served; where nobody serves, all are alike and the order stays. `serving`
 * holds the names of nodes, `before` is what the status says so far, `now` is in milliseconds since the epoch.
 */
export function toldEndpoints(
  found: readonly FoundEndpoint[],
  serving: ReadonlySet<string>,
  { before = [], now }: { readonly before: readonly ToldEndpoint[] | undefined; readonly now: number },
): readonly ToldEndpoint[] {
  const known = new Map(before.map((entry) => [entry.endpoint, entry]));
  const isFirstLook = !before.some(({ agent }) => agent !== undefined);
  const told = found.map((entry) => {
    const agent = agentBehind(entry, serving);
    const since = sinceWhen(agent, known.get(entry.endpoint), isFirstLook, timestamp(now));
    return { ...plain(entry), agent, ...(since === undefined ? {} : { since }) };
  });
  const [first, last] = [told.filter((entry) => !comesLast(entry, now)), told.filter((entry) => comesLast(entry, now))];
  return [...first, ...last].slice(0, MOST_ENDPOINTS);
}

/** When time alone changes the order, or what DNS has; in milliseconds since the epoch, undefined for never. */
export function nextChange(told: readonly ToldEndpoint[], now: number): number | undefined {
  const times = told
    .filter(({ agent, since }) => agent === 'NotServing' && since !== undefined)
    .flatMap(({ since = '' }) => [WITHDRAWN_AFTER_MS, LAST_AFTER_MS].map((ms) => milliseconds(since) + ms))
    .filter((time) => time > now);
  return times.length === 0 ? undefined : Math.min(...times);
}

/** Whether an agent stands behind an endpoint: on one of its nodes, or on any where it leads to all. */
export function agentBehind(
  { source, nodes }: FoundEndpoint,
  serving: ReadonlySet<string>,
): NonNullable<ToldEndpoint['agent']> {
  if (source === 'Host') return 'Unknown';
  const serves = nodes === undefined ? serving.size > 0 : nodes.some((node) => serving.has(node));
  return serves ? 'Serving' : 'NotServing';
}

/** Of what leads to all nodes none are named, lest every change of theirs be one of the status. */
function plain({ endpoint, source, nodes, address }: FoundEndpoint): ToldEndpoint {
  if (nodes === undefined || address === undefined) return { endpoint, source };
  return { endpoint, source, nodes: nodes.slice(0, MOST_NAMED_NODES), address };
}

/** A gateway's first endpoints are told in their order; whose node comes later has to serve first. */
function sinceWhen(
  agent: ToldEndpoint['agent'],
  before: ToldEndpoint | undefined,
  isFirstLook: boolean,
  now: string,
): string | undefined {
  if (agent === 'Unknown') return undefined;
  if (before !== undefined && before.agent === agent) return before.since;
  return agent === 'NotServing' && before === undefined && !isFirstLook ? undefined : now;
}

/** Names and load balancers lead elsewhere by themselves. */
function comesLast({ address, agent, since }: ToldEndpoint, now: number): boolean {
  if (address === undefined || agent !== 'NotServing') return false;
  return since === undefined || now - milliseconds(since) >= LAST_AFTER_MS;
}
