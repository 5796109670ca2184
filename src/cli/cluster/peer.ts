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
const POLL_MS = 100;
const PATIENCE_S = 30;
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

/** The peer with another key; only if it still has the one that is to be replaced. @throws {UserError} */
export async function changeKey(
  client: Client,
  { namespace, name }: Pick<Wish, 'namespace' | 'name'>,
  { from, to }: { readonly from: PublicKey; readonly to: PublicKey },
): Promise<MeshPeer> {
  const there = await client.get(meshPeerType, name, namespace);
  if (there === undefined) throw gone(namespace, name);
  if (there.spec.publicKey === to) return there;
  if (there.spec.publicKey !== from)
    throw new UserError(`MeshPeer ${namespace}/${name} is another device's by now; join again with: sallyport join`);
  const patch = { metadata: { resourceVersion: there.metadata.resourceVersion }, spec: { publicKey: to } };
  return client.patch(meshPeerType, { namespace, name }, patch);
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

/** Waits until the operator has taken the key; the gateway nodes hear of it at that same moment. @throws {UserError} */
export async function untilAccepted(
  client: Client,
  { namespace, name, publicKey }: Pick<Wish, 'namespace' | 'name' | 'publicKey'>,
  say: Say,
): Promise<void> {
  for (const began = performance.now(); ; await delay(POLL_MS)) {
    const peer = await client.get(meshPeerType, name, namespace);
    if (peer === undefined) throw gone(namespace, name);
    const standing = standingOf(peer, publicKey);
    if (standing.kind === 'refused')
      throw new UserError(`the cluster does not take the new key of ${namespace}/${name}: ${standing.text}`);
    if (peer.status?.publicKey === publicKey) return;
    if (performance.now() - began > PATIENCE_S * 1000)
      throw new UserError(
        `${PATIENCE_S} s were not enough for ${standing.kind === 'waiting' ? standing.text : 'it'}; repeat: sallyport rotate`,
      );
    say('Waiting for the operator to take the new key');
  }
}

function impatient(peer: MeshPeer, standing: Standing, seconds: number): Standing {
  const patience = peer.status?.config === undefined ? PATIENCE_S : PATIENCE_FOR_NODES_S;
  return seconds < patience ? standing : withoutPatience(peer, standing, patience);
}

function gone(namespace: string, name: string): UserError {
  return new UserError(`MeshPeer ${namespace}/${name} was deleted meanwhile; join again with: sallyport join`);
}

function given<T extends object>(fields: T): Partial<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;
}
