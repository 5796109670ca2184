import { findCondition, isTrue, type Reason, type Verdict, verdict } from '../api/conditions.ts';
import type { MeshGateway } from '../api/meshgateway.ts';
import type { Connection, MeshPeer, MeshPeerStatus } from '../api/meshpeer.ts';
import type { PublicKey } from '../net/key.ts';

/** By which key of each gateway a device came last. */
export type LastKeys = NonNullable<MeshPeerStatus['gatewayKeys']>;

/**
 * Whether a peer that the gateway lets in may need its former key: it came by that one last, or it came some time and nobody knows by
 * which. Who never came will begin with the key that it is told.
 */
export function lingers({ status }: MeshPeer, gateway: string, former: PublicKey): boolean {
  const conditions = status?.conditions ?? [];
  if (!isTrue(conditions, 'Accepted')) return false;
  const last = status?.gatewayKeys?.find((entry) => entry.gateway === gateway)?.publicKey;
  if (last !== undefined) return last === former;
  const connected = findCondition(conditions, 'Connected');
  return connected?.status === 'True' || connected?.reason === ('Idle' satisfies Reason<'MeshPeer', 'Connected'>);
}

/** What is remembered of the keys by which a device came: what its sessions say now, else what was known before. */
export function lastKeys(before: LastKeys, gateways: readonly string[], connections: readonly Connection[]): LastKeys {
  return gateways.flatMap((gateway) => {
    const sessions = connections.filter((one) => one.gateway === gateway && one.gatewayKey !== undefined);
    const [latest] = sessions.sort((one, other) => (one.lastHandshake < other.lastHandshake ? 1 : -1));
    const publicKey = latest?.gatewayKey ?? before.find((entry) => entry.gateway === gateway)?.publicKey;
    return publicKey === undefined ? [] : [{ gateway, publicKey }];
  });
}

/** Whether the device came by the keys that its gateways have now; undefined where it never came. */
export function usesCurrentKey(last: LastKeys, gateways: readonly MeshGateway[]): Verdict<'MeshPeer'> | undefined {
  const say = (status: 'True' | 'False', reason: Reason<'MeshPeer', 'UsesCurrentKey'>, message: string) =>
    verdict('MeshPeer', 'UsesCurrentKey', status, reason, message);
  let isKnown = false;
  for (const { metadata, status } of gateways) {
    const used = last.find(({ gateway }) => gateway === metadata.name)?.publicKey;
    if (used === undefined || status?.keys === undefined) continue;
    isKnown = true;
    const key = status.keys.find(({ publicKey }) => publicKey === used);
    if (key?.state === 'Current') continue;
    return key === undefined
      ? say(
          'False',
          'EndedKey',
          `The device last came by a key of MeshGateway ${metadata.name} that has ended, so it cannot connect: install status.config anew, or run sallyport join on it.`,
        )
      : say(
          'False',
          'FormerKey',
          `The device still uses the former key of MeshGateway ${metadata.name}, which ends at ${key.until}: install status.config anew before that. (The sallyport command moves by itself while its tunnel is up.)`,
        );
  }
  return isKnown ? say('True', 'CurrentKey', 'The device came by the key that its gateway has now.') : undefined;
}
