import { type MeshPeer, meshPeerType } from '../api/meshpeer.ts';
import type { ObservedPeer } from '../dataplane/wireguard/device.ts';
import type { Client } from '../k8s/client.ts';
import { memberOf } from '../mesh/members.ts';
import type { PublicKey } from '../net/key.ts';

/** Fewer are believed to be gone, as in `src/k8s/holding.ts`. */
const LEAST = 10;

export interface FirstList {
  readonly gateway: string;
  /** What the node holds from before this agent began. */
  readonly held: ReadonlyMap<PublicKey, ObservedPeer>;
  /** The MeshPeers of the first list. */
  readonly listed: Iterable<MeshPeer>;
  /** In milliseconds since the epoch. */
  readonly now: number;
}

/**
 * An agent that begins has no former list to compare its first one with, but the node holds who was let in. Where the first list leaves out more
 * than half of those, the API server is asked for another one, which must be as new as what etcd has. @throws when that one has any of
 * those whom the first left out: the data plane stays as it is, and the agent begins anew
 */
export async function confirmFirstList(
  { gateway, held, listed, now }: FirstList,
  client: Pick<Client, 'list'>,
): Promise<void> {
  const known = keysLetIn(gateway, listed, now);
  const leftOut = [...held.keys()].filter((key) => !known.has(key));
  if (leftOut.length < LEAST || leftOut.length * 2 <= held.size) return;
  const { items } = await client.list(meshPeerType, { onUnparsable: () => undefined });
  const there = keysLetIn(gateway, items, now);
  const wrongly = leftOut.filter((key) => there.has(key)).length;
  if (wrongly > 0)
    throw new Error(
      `the first list of MeshPeers left out ${leftOut.length} of ${held.size} peers that this node holds, and the API server has ${wrongly} of them; nobody is put out, and it is listed again`,
    );
}

function keysLetIn(gateway: string, peers: Iterable<MeshPeer>, now: number): ReadonlySet<PublicKey> {
  return new Set([...peers].flatMap((peer) => memberOf(gateway, peer, now)?.publicKeys ?? []));
}
