import { type Reason, type Verdict, verdict } from '../api/conditions.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import { keyOf } from '../api/resource.ts';
import { MOST_OF_A_GATEWAY } from './access/access.ts';
import type { AnyAccess } from './access/resolve.ts';
import { some } from './view.ts';

/** What a node says of what it opens by grants; `cut` are those of which it leaves something out, undefined before it has seen them all. */
export function grantsVerdict(
  { spec }: MeshGateway,
  cut: readonly AnyAccess[] | undefined,
): Verdict<'MeshGatewayNode'> | undefined {
  if (spec.access.default === 'Allow') return undefined;
  const say = (
    status: 'True' | 'False' | 'Unknown',
    reason: Reason<'MeshGatewayNode', 'GrantsOpened'>,
    message: string,
  ) => verdict('MeshGatewayNode', 'GrantsOpened', status, reason, message);
  if (cut === undefined) return say('Unknown', 'NotObserved', 'Not every grant has been seen yet.');
  if (cut.length === 0)
    return say(
      'True',
      'Opened',
      'No grant opens less because all together are too many; what one that is too large by itself leaves out is in its own status.',
    );
  const names = cut.map(({ kind, metadata }) => `${kind} ${keyOf(metadata)}`);
  return say(
    'False',
    'TooMany',
    `Together the grants would open more than the ${MOST_OF_A_GATEWAY} pairs of a device and a port that a gateway may, so the newest of them open less than they say, or nothing: ${some(names)}. Name fewer devices, Services or ports in grants (sallyport access matrix shows what each opens), or serve some of the devices by another MeshGateway.`,
  );
}
