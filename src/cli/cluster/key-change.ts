import { setTimeout as delay } from 'node:timers/promises';
import { findCondition } from '../../api/conditions.ts';
import { type MeshPeer, meshPeerType } from '../../api/meshpeer.ts';
import type { Client } from '../../k8s/client.ts';
import { isConflict } from '../../k8s/errors.ts';
import { standingOfNextKey } from '../../laptop/standing.ts';
import type { PublicKey } from '../../net/key.ts';
import { UserError } from '../output.ts';
import type { Say } from '../progress.ts';
import { gone, PATIENCE_S, POLL_MS, type Wish } from './peer.ts';

/** A device's change of its key, at its MeshPeer. */
export interface KeyChange extends Pick<Wish, 'namespace' | 'name'> {
  readonly from: PublicKey;
  readonly to: PublicKey;
}

/**
 * How far the MeshPeer is: it does not know of the change; it asks for both keys (`offered`); the next key is its key (`ended`); or it changes to
 * yet another key.
 */
export type KeyChangeStage = 'unknown' | 'offered' | 'ended' | 'another';

/** Asks the cluster how far the change is. @throws {UserError} when the MeshPeer is gone or another device's */
export async function keyChangeStage(client: Client, change: KeyChange): Promise<KeyChangeStage> {
  return stageOf(await found(client, change), change);
}

/** Makes sure that the device may change its key at all. @throws {UserError} when it may not */
export async function mayChange(client: Client, change: KeyChange): Promise<void> {
  refuse(await found(client, change), change);
}

/** Asks for the next key beside the present one, unless the MeshPeer does already. @throws {UserError} when it is refused */
export async function offerKey(client: Client, change: KeyChange): Promise<void> {
  const changed = await patched(client, change, (peer) => {
    refuse(peer, change);
    return stageOf(peer, change) === 'unknown' ? { nextPublicKey: change.to } : undefined;
  });
  if (stageOf(changed, change) === 'unknown')
    throw new UserError(
      "the cluster's Sallyport does not know how a device changes its key, because it is older than this program; have it upgraded",
    );
}

/** Waits until every node that serves lets the next key in. @throws {UserError} when it is refused or takes too long */
export async function untilNextKeyLetIn(client: Client, change: KeyChange, say: Say): Promise<void> {
  for (const began = performance.now(); ; await delay(POLL_MS)) {
    const peer = await found(client, change);
    const stage = stageOf(peer, change);
    if (stage === 'ended') return;
    if (stage !== 'offered') throw takenBack(change);
    const standing = standingOfNextKey(peer, change.to);
    if (standing.kind === 'ready') return;
    if (standing.kind === 'refused') throw notLetIn(change, standing.text);
    if (performance.now() - began > PATIENCE_S * 1000)
      throw new UserError(
        `${PATIENCE_S} s were not enough for ${standing.text} The device goes on with its key; repeat: sallyport rotate`,
      );
    say(`Waiting for ${standing.text}`);
  }
}

/** Makes the next key the key, and the gateways shut the former one out. @throws {UserError} when the change was taken back meanwhile */
export async function endKeyChange(client: Client, change: KeyChange): Promise<void> {
  await patched(client, change, (peer) => {
    const stage = stageOf(peer, change);
    if (stage === 'ended') return undefined;
    if (stage !== 'offered') throw takenBack(change);
    return { publicKey: change.to, nextPublicKey: null };
  });
}

/** Patches the spec of the MeshPeer as it is now; again when somebody else has changed it at that moment. */
async function patched(
  client: Client,
  change: KeyChange,
  specOf: (peer: MeshPeer) => object | undefined,
): Promise<MeshPeer> {
  const { namespace, name } = change;
  for (;;) {
    const peer = await found(client, change);
    const spec = specOf(peer);
    if (spec === undefined) return peer;
    try {
      const { resourceVersion } = peer.metadata;
      return await client.patch(meshPeerType, { namespace, name }, { metadata: { resourceVersion }, spec });
    } catch (error) {
      if (!isConflict(error)) throw error;
    }
    await delay(POLL_MS);
  }
}

async function found(client: Client, { namespace, name }: KeyChange): Promise<MeshPeer> {
  const peer = await client.get(meshPeerType, name, namespace);
  if (peer === undefined) throw gone(namespace, name);
  return peer;
}

function stageOf(
  { spec: { publicKey, nextPublicKey } }: MeshPeer,
  { namespace, name, from, to }: KeyChange,
): KeyChangeStage {
  if (publicKey === to) return 'ended';
  if (publicKey !== from)
    throw new UserError(`MeshPeer ${namespace}/${name} is another device's by now; join again with: sallyport join`);
  if (nextPublicKey === undefined) return 'unknown';
  return nextPublicKey === to ? 'offered' : 'another';
}

/** @throws {UserError} */
function refuse(peer: MeshPeer, change: KeyChange): void {
  if (stageOf(peer, change) === 'another') throw otherChange(peer, change);
  const accepted = findCondition(peer.status?.conditions ?? [], 'Accepted');
  if (accepted?.status === 'False') throw notLetIn(change, accepted.message);
}

function notLetIn({ namespace, name }: KeyChange, why: string): UserError {
  return new UserError(`the cluster does not take the next key of ${namespace}/${name}: ${why}`);
}

function otherChange({ spec }: MeshPeer, { namespace, name }: KeyChange): UserError {
  return new UserError(
    `somebody else is changing the key of ${namespace}/${name}, to ${spec.nextPublicKey}; if that was given up, take it back: kubectl -n ${namespace} patch meshpeer ${name} --type merge -p '{"spec":{"nextPublicKey":null}}'`,
  );
}

function takenBack({ namespace, name }: KeyChange): UserError {
  return new UserError(
    `somebody has taken the next key of ${namespace}/${name} back meanwhile; repeat: sallyport rotate`,
  );
}
