import type { ObservedPeer } from '../../dataplane/wireguard/device.ts';
import type { PathStanding } from '../../laptop/path/state.ts';
import type { ClientGateway } from '../../mesh/client-configuration.ts';
import type { GatewayStatus } from './status.ts';

const PATHS = { working: 'online', unproven: 'unproven', offline: 'offline' } as const;

/** A gateway as its interface and its path know it. */
export function gatewayStatus(
  { name, publicKey }: ClientGateway,
  peer: ObservedPeer | undefined,
  standing: PathStanding | undefined,
): GatewayStatus {
  const { latestHandshake = 0, receivedBytes = 0, sentBytes = 0 } = peer ?? {};
  const endpoint = peer?.endpoint ?? standing?.address;
  return {
    name,
    publicKey,
    ...(endpoint === undefined ? {} : { endpoint }),
    path: pathOf(peer, standing),
    ...(standing?.rttMs === undefined ? {} : { rttMs: standing.rttMs }),
    ...(latestHandshake === 0 ? {} : { latestHandshake: new Date(latestHandshake * 1000).toISOString() }),
    receivedBytes,
    sentBytes,
  };
}

/** A path starts out as one that works; until there is an interface, and a handshake on it, nobody has seen that. */
function pathOf(peer: ObservedPeer | undefined, standing: PathStanding | undefined): GatewayStatus['path'] {
  if (peer === undefined) return 'offline';
  const path = standing === undefined ? 'unproven' : PATHS[standing.condition];
  return path === 'online' && peer.latestHandshake === 0 ? 'unproven' : path;
}
