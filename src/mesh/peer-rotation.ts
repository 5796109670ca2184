import { type Verdict, verdict } from '../api/conditions.ts';
import type { Connection, MeshPeer } from '../api/meshpeer.ts';
import { milliseconds, timestamp } from '../api/timestamp.ts';
import type { Admission } from './peer-checks.ts';

/** A device changes its key in minutes; who takes longer than this has forgotten something, and is told. */
export const LONGEST_ROTATION_MS = 60 * 60_000;

/** How far a device is with changing its key. */
export interface Rotation {
  readonly verdict: Verdict<'MeshPeer'>;
  /** Since when both keys have been let in, as `status.nextPublicKeySince`; undefined while they are not. */
  readonly since: string | undefined;
  /** When time alone changes the verdict, in milliseconds since the epoch; undefined for never. */
  readonly until: number | undefined;
}

/** What is said of a peer that changes its key; undefined for one that does not. `now` is in milliseconds since the epoch. */
export function rotation(
  peer: MeshPeer,
  admitted: Admission | undefined,
  connections: readonly Connection[],
  now: number,
): Rotation | undefined {
  if (peer.spec.nextPublicKey === undefined) return undefined;
  if (admitted === undefined)
    return without('NotAccepted', 'No key of the device is let in, because it is not accepted.');
  const { nextPublicKey, refusedKey } = admitted;
  if (nextPublicKey === undefined) {
    const reason = refusedKey?.reason === 'DuplicateKey' ? 'DuplicateKey' : 'InvalidKey';
    return without(reason, refusedKey?.message ?? 'spec.nextPublicKey is the same key as spec.publicKey.');
  }
  const since = sinceOf(peer, nextPublicKey, now);
  const overdueAt = milliseconds(since) + LONGEST_ROTATION_MS;
  return {
    verdict: useOf(peer, connections, overdueAt <= now ? since : undefined),
    since,
    until: overdueAt > now ? overdueAt : undefined,
  };
}

function without(reason: 'NotAccepted' | 'InvalidKey' | 'DuplicateKey', message: string): Rotation {
  return {
    verdict: verdict('MeshPeer', 'NextKeyInUse', 'False', reason, message),
    since: undefined,
    until: undefined,
  };
}

/** A time that nobody can read begins anew. */
function sinceOf({ status }: MeshPeer, nextPublicKey: string, now: number): string {
  const stored = status?.nextPublicKey === nextPublicKey ? status.nextPublicKeySince : undefined;
  return stored === undefined || Number.isNaN(milliseconds(stored)) ? timestamp(now) : stored;
}

/** The newest connection comes first, and is where the device is now. */
function useOf(
  { metadata, spec }: MeshPeer,
  [newest]: readonly Connection[],
  overdueSince: string | undefined,
): Verdict<'MeshPeer'> {
  const say = (
    status: 'True' | 'False',
    reason: Parameters<typeof verdict<'MeshPeer', 'NextKeyInUse'>>[3],
    message: string,
  ) =>
    overdueSince === undefined
      ? verdict('MeshPeer', 'NextKeyInUse', status, reason, message)
      : verdict(
          'MeshPeer',
          'NextKeyInUse',
          status,
          'Overdue',
          `Both keys have been let in since ${overdueSince}. ${message}`,
        );
  const patch = (change: string) =>
    `kubectl -n ${metadata.namespace} patch meshpeer ${metadata.name} --type merge -p '{"spec":${change}}'`;
  const finish = patch(`{"publicKey":"${spec.nextPublicKey}","nextPublicKey":null}`);
  const giveUp = patch('{"nextPublicKey":null}');
  if (newest?.publicKey === spec.nextPublicKey)
    return say(
      'True',
      'InUse',
      `The device uses spec.nextPublicKey. \`sallyport rotate\` ends the change; without it, shut the former key out: ${finish}`,
    );
  const where = newest === undefined ? 'The device is not connected' : 'The device still uses spec.publicKey';
  return say(
    'False',
    'NotInUse',
    `${where}. Give it the private key of spec.nextPublicKey (\`sallyport rotate\` does), or take the change back: ${giveUp}`,
  );
}
