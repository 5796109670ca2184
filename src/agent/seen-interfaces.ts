import type { NodeState } from '../dataplane/node-plan.ts';
import { diffPeers, type Operation } from '../dataplane/operation.ts';
import type { ObservedPeer, WantedPeer } from '../dataplane/wireguard/device.ts';
import type { Host } from '../host/host.ts';
import type { SeenPeer } from '../mesh/sessions.ts';
import type { PublicKey } from '../net/key.ts';

/** An interface with its peers as last seen. */
export interface SeenInterface {
  readonly name: string;
  peers: Map<PublicKey, ObservedPeer>;
}

/** The gateway's interfaces on this node with their peers as last seen, or brought there since: one, or two while a key takes the place of another. */
export class SeenInterfaces {
  #all: readonly SeenInterface[] = [];

  get all(): readonly SeenInterface[] {
    return this.#all;
  }

  /** Takes in a look at the node, or that nothing is there any more. */
  take(state: NodeState | undefined): void {
    const found = [state?.device, state?.other?.device].filter((device) => device !== undefined);
    this.#all = found.map(({ name, peers }) => ({ name, peers: new Map(peers) }));
  }

  /** Looks at the peers anew. */
  async look(host: Pick<Host, 'observePeers'>): Promise<void> {
    for (const seen of this.#all) seen.peers = new Map(await host.observePeers(seen.name));
  }

  /** The peers, each by the key of which its last handshake was. */
  get peers(): ReadonlyMap<PublicKey, SeenPeer> {
    const [own, other] = this.#all;
    return other === undefined ? (own?.peers ?? new Map()) : latestOf(own?.peers ?? new Map(), other.peers);
  }

  *keys(): Iterable<PublicKey> {
    for (const { peers } of this.#all) yield* peers.keys();
  }

  /** Whether every interface, of which there is one at least, has this preshared key for the peer with this key. */
  hasPresharedKey(publicKey: PublicKey, fingerprint: string): boolean {
    return this.#all.length > 0 && this.#all.every(({ peers }) => peers.get(publicKey)?.presharedKey === fingerprint);
  }

  /** What brings the peers with these keys to where they should be, and takes in, once it is called, that this was done. */
  stepsTo(
    peers: ReadonlyMap<PublicKey, WantedPeer>,
    keys: ReadonlySet<PublicKey>,
  ): { readonly operations: readonly Operation[]; readonly done: () => void } {
    const interfaces = this.#all;
    // The resources may change while the steps are under way.
    const wanted = [...keys].map((key) => [key, peers.get(key)] as const);
    const done = () => {
      for (const seen of interfaces) {
        for (const [key, peer] of wanted) {
          if (peer === undefined) seen.peers.delete(key);
          else seen.peers.set(key, carriedOut(peer, seen.peers.get(key)));
        }
      }
    };
    return {
      operations: interfaces.flatMap((seen) => diffPeers({ name: seen.name, peers }, seen.peers, keys)),
      done,
    };
  }
}

/** The peers of both interfaces, each as the one has it with which its latest handshake was. */
function latestOf(
  own: ReadonlyMap<PublicKey, ObservedPeer>,
  other: ReadonlyMap<PublicKey, ObservedPeer>,
): ReadonlyMap<PublicKey, SeenPeer> {
  const latest = new Map<PublicKey, SeenPeer>(own);
  for (const [key, peer] of other)
    if (peer.latestHandshake > (own.get(key)?.latestHandshake ?? 0)) latest.set(key, { ...peer, isByOtherKey: true });
  return latest;
}

/** A peer as the interface has it once it was brought there. */
function carriedOut(
  { publicKey, allowedIPs, presharedKey }: WantedPeer,
  before: ObservedPeer = { publicKey, allowedIPs, latestHandshake: 0, receivedBytes: 0, sentBytes: 0 },
): ObservedPeer {
  return { ...before, allowedIPs, presharedKey: presharedKey?.fingerprint };
}
