import { isLive } from '../mesh/sessions.ts';
import type { DueCall } from '../mesh/takeover/calls.ts';
import { MOST_LOST } from '../mesh/takeover/insisting.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { Call } from './calling.ts';
import type { NodeSync } from './node-sync.ts';

/** One call by each key of the device that is in use; with an endpoint it is called there, as if for the first time. */
export function callsTo(
  { peer, byOtherKey }: DueCall,
  { table }: Pick<NodeSync, 'table'>,
  endpoint?: Endpoint,
): readonly Call[] {
  const inUse = table.keysOf(peer).filter((key) => table.isInUse(key));
  return inUse.map((publicKey) => ({ publicKey, endpoint, byOtherKey }));
}

/**
 * Of those who have had their time to come, who has not, by the node's peers as last seen: what they were sent was lost, or never sent, for this node had begun a
 * handshake with them already (wireguard-go does so for whatever is sent to a device, also when it does not know where that is). WireGuard itself waits five
 * seconds before it begins another. `now` is in milliseconds since 1970.
 */
export function notCome(
  late: readonly DueCall[],
  { table, observedPeers }: Pick<NodeSync, 'table' | 'observedPeers'>,
  now: number,
): readonly DueCall[] {
  const hasCome = ({ peer }: DueCall) =>
    table.keysOf(peer).some((key) => isLive((observedPeers.get(key)?.latestHandshake ?? 0) * 1_000, now));
  return late.filter((call) => !hasCome(call)).slice(0, MOST_LOST);
}
