import type { ReportedConnection } from '../../api/meshgatewaynode.ts';
import type { ObjectKey } from '../../api/resource.ts';
import { milliseconds } from '../../api/timestamp.ts';
import type { Endpoint } from '../../net/endpoint.ts';
import type { DueCall } from './calls.ts';

/** What this node has of a device. */
export interface OwnSession {
  readonly endpoint?: string | undefined;
  /** In milliseconds; 0 for never. */
  readonly handshake: number;
}

export interface MovedInput {
  /** From where flows have begun here without a handshake. */
  readonly endpoints: ReadonlySet<Endpoint>;
  /** The sessions of the other nodes, dead or alive, as reported. */
  readonly sessions: Iterable<ReportedConnection>;
  readonly own: (peer: ObjectKey) => OwnSession | undefined;
}

/** A device whose packets come here. */
export interface MovedDevice extends DueCall {
  /** Whether this node has sent to that endpoint by itself, and had no answer. */
  readonly wasCalled: boolean;
}

/**
 * The devices whose flows have come here from the nodes that had them: by what those report, dead or alive, for where its packets arrive is
 * the device's choice. One whose latest session is with this node is none of them. Of several reported at one endpoint all are, since whoever is
 * not there does not answer.
 */
export function movedDevices({ endpoints, sessions, own }: MovedInput): readonly MovedDevice[] {
  const moved = new Map<ObjectKey, MovedDevice & { readonly since: number }>();
  for (const { peer: name, endpoint, lastHandshake, byOtherKey } of sessions) {
    if (!endpoints.has(endpoint as Endpoint)) continue;
    const peer = name as ObjectKey;
    const here = own(peer);
    const since = milliseconds(lastHandshake);
    if (here === undefined || here.handshake >= since || (moved.get(peer)?.since ?? 0) > since) continue;
    const wasCalled = here.endpoint === endpoint;
    const device = { peer, endpoint: endpoint as Endpoint, lastHandshake, byOtherKey: byOtherKey === true };
    moved.set(peer, { ...device, wasCalled, since });
  }
  return [...moved.values()].map(({ since: _, ...device }) => device);
}
