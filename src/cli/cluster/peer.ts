import { setTimeout as delay } from 'node:timers/promises';
import { type MeshPeer, meshPeerType } from '../../api/meshpeer.ts';
import type { Client } from '../../k8s/client.ts';
import { type Standing, standingOf, withoutPatience } from '../../laptop/standing.ts';
import type { PublicKey } from '../../net/key.ts';
import { UserError } from '../output.ts';
import type { Say } from '../progress.ts';
import type { ConnectedCluster } from './connect.ts';

/** Under this name the API server remembers which fields of a MeshPeer the command line set. */
const FIELD_MANAGER = 'sallyport-cli';
/** How often a MeshPeer is looked at by whoever waits for it, in milliseconds. */
export const POLL_MS = 100;
/** How long is waited for the operator, in seconds. */
export const PATIENCE_S = 30;
/** A node that is down keeps Programmed from ever being True; the others serve all the same. */
const PATIENCE_FOR_NODES_S = 10;

/** What a device asks of its MeshPeer. */
export interface Wish {
  readonly namespace: string;
  readonly name: string;
  readonly publicKey: PublicKey;
  readonly gateways?: readonly string[] | undefined;
  readonly expiresAt?: string | undefined;
  readonly owner?: string | undefined;
}

/**
 * Makes the MeshPeer, or brings the one that is this device's already to the wish. A new one is the user's own unless the wish names another
 * owner. @throws {UserError} when it is another device's
 */
export async function applyPeer(
  { client, userName }: Pick<ConnectedCluster, 'client' | 'userName'>,
  wish: Wish,
): Promise<MeshPeer> {
  const { namespace, name, publicKey } = wish;
  const there = await client.get(meshPeerType, name, namespace);
  if (there !== undefined && there.spec.publicKey !== publicKey)
    throw new UserError(
      `MeshPeer ${namespace}/${name} is another device's (its public key is ${there.spec.publicKey}); choose another name with --name, or delete it if that device is gone: kubectl delete meshpeer -n ${namespace} ${name}`,
    );
  // What an earlier `join` asked for and this one does not mention stays: left out, it would be taken away.
  const { gateways = there?.spec.gateways, expiresAt = there?.spec.expiresAt } = wish;
  const owner = wish.owner ?? (there === undefined ? await userName() : there.spec.owner);
  const spec = { publicKey, ...given({ gateways, expiresAt, owner }) };
  return client.apply(meshPeerType, { metadata: { namespace, name }, spec }, { fieldManager: FIELD_MANAGER });
}

/** Deletes the MeshPeer if it is this device's. Says whether it was there. */
export async function deletePeer(
  client: Client,
  { namespace, name }: Pick<Wish, 'namespace' | 'name'>,
  publicKeys: readonly PublicKey[],
): Promise<'deleted' | 'absent' | 'not ours'> {
  const there = await client.get(meshPeerType, name, namespace);
  if (there === undefined) return 'absent';
  if (!publicKeys.some((key) => key === there.spec.publicKey)) return 'not ours';
  const { uid } = there.metadata;
  const precondition = uid === undefined ? {} : { uid };
  return (await client.delete(meshPeerType, { namespace, name }, precondition)) ? 'deleted' : 'absent';
}

/** Waits until the cluster lets the device in, and says meanwhile for what. @throws {UserError} when it is refused or takes too long */
export async function untilReady(
  client: Client,
  { namespace, name, publicKey }: Pick<Wish, 'namespace' | 'name' | 'publicKey'>,
  say: Say,
): Promise<Standing & { readonly kind: 'ready' }> {
  const began = performance.now();
  for (;;) {
    const peer = await client.get(meshPeerType, name, namespace);
    if (peer === undefined) throw gone(namespace, name);
    const seconds = (performance.now() - began) / 1000;
    const standing = impatient(peer, standingOf(peer, publicKey), seconds);
    if (standing.kind === 'ready') return standing;
    if (standing.kind === 'refused')
      throw new UserError(`the cluster does not let this device in as ${namespace}/${name}: ${standing.text}`);
    say(`Waiting for ${standing.text}`);
    await delay(POLL_MS);
  }
}

function impatient(peer: MeshPeer, standing: Standing, seconds: number): Standing {
  const patience = peer.status?.config === undefined ? PATIENCE_S : PATIENCE_FOR_NODES_S;
  return seconds < patience ? standing : withoutPatience(peer, standing, patience);
}

/** What a person is told whose MeshPeer is not there any more. */
export function gone(namespace: string, name: string): UserError {
  return new UserError(`MeshPeer ${namespace}/${name} was deleted meanwhile; join again with: sallyport join`);
}

function given<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
