import type { ReportedConnection } from '../../api/meshgatewaynode.ts';
import type { Connection } from '../../api/meshpeer.ts';
import type { ObjectKey } from '../../api/resource.ts';
import { milliseconds } from '../../api/timestamp.ts';
import { parseAddress } from '../../net/address.ts';
import { type Endpoint, endpointParts, parseEndpoint } from '../../net/endpoint.ts';
import { rendezvous } from '../../net/rendezvous.ts';

/** A device that this node is to call: the node that it talked to does not serve it any more. */
export interface DueCall {
  readonly peer: ObjectKey;
  /** Where its packets came from last. */
  readonly endpoint: Endpoint;
  /** When it had last shaken hands with the node that serves it no more, as that reported. */
  readonly lastHandshake: string;
  /** Whether its session was by the key other than the one that devices are told. */
  readonly byOtherKey: boolean;
}

export interface CallInput {
  /** The node that is to call. */
  readonly node: string;
  /** The node that serves its devices no more, and which of its sessions are to go. */
  readonly lost: { readonly node: string; readonly connections: readonly ReportedConnection[] };
  /** Who may take devices over, this node among them where it may. */
  readonly candidates: readonly string[];
  /** All of a device's sessions with this gateway, as reported. */
  readonly sessionsOf: (peer: ObjectKey) => readonly Pick<Connection, 'node' | 'lastHandshake'>[];
  /** Whether a session with that node is worth nothing. */
  readonly isLost: (node: string) => boolean;
}

/**
 * Which devices of a lost node this one calls. Each of them is called by one node, which all find alike; one that has gone to another
 * node by itself since is called by none. What a report says is an agent's word alone, and `wg` would look names up: only an address is called.
 */
export function dueCalls({ node, lost, candidates, sessionsOf, isLost }: CallInput): readonly DueCall[] {
  return lost.connections.flatMap(({ peer, endpoint, lastHandshake, byOtherKey }) => {
    const key = peer as ObjectKey;
    const hasLeft = sessionsOf(key).some(
      (session) => session.node !== lost.node && !isLost(session.node) && hasGoneTo(session, { lastHandshake }),
    );
    const at = parseEndpoint(endpoint);
    if (hasLeft || !at.ok || !isAddress(at.value) || rendezvous(key, candidates) !== node) return [];
    return [{ peer: key, endpoint: at.value, lastHandshake, byOtherKey: byOtherKey === true }];
  });
}

type Shaken = Pick<Connection, 'lastHandshake'>;

/** Whether a device that has sessions with two nodes has gone from one to the other, by what they report. */
export function hasGoneTo(there: Shaken, here: Shaken): boolean {
  return milliseconds(there.lastHandshake) >= milliseconds(here.lastHandshake);
}

function isAddress(endpoint: Endpoint): boolean {
  return parseAddress(endpointParts(endpoint).host).ok;
}
