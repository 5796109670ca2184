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
    // Without its interface it is not reached, whatever was known before.
    path: peer === undefined ? 'offline' : standing === undefined ? 'unproven' : PATHS[standing.condition],
    ...(standing?.rttMs === undefined ? {} : { rttMs: standing.rttMs }),
    ...(latestHandshake === 0 ? {} : { latestHandshake: new Date(latestHandshake * 1000).toISOString() }),
    receivedBytes,
    sentBytes,
  };
}
