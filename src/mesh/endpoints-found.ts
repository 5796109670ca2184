import { type Verdict, verdict } from '../api/conditions.ts';
import type { EndpointProblem } from './found-endpoint.ts';

/** So many problems can be read; the same mistake is often on every node. */
const MOST_PROBLEMS = 5;

/** A sentence of another program may be long. */
const MOST_MESSAGE = 2000;

/** Time, and not a person, ends these. */
export const WAITING: ReadonlySet<string> = new Set<EndpointProblem['reason']>(['WaitingForService', 'WaitingForDNS']);

/** Whether all that should be a way in gives devices one. A mistake goes before what is only waited for. */
export function endpointsFound(problems: readonly EndpointProblem[]): Verdict<'MeshGateway'> {
  const mistakesFirst = [
    ...problems.filter(({ reason }) => !WAITING.has(reason)),
    ...problems.filter(({ reason }) => WAITING.has(reason)),
  ];
  const [first] = mistakesFirst;
  if (first === undefined)
    return verdict('MeshGateway', 'EndpointsFound', 'True', 'Found', 'All that should be a way in gives devices one.');
  const told = mistakesFirst.slice(0, MOST_PROBLEMS).map(({ message }) => message.slice(0, MOST_MESSAGE));
  const more = mistakesFirst.length - told.length;
  const rest = more > 0 ? [`And ${more} more of the kind.`] : [];
  return verdict('MeshGateway', 'EndpointsFound', 'False', first.reason, [...told, ...rest].join(' '));
}
