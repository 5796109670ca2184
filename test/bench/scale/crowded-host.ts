import type { Operation } from '../../../src/dataplane/operation.ts';
import type { ObservedPeer } from '../../../src/dataplane/wireguard/device.ts';
import type { PublicKey } from '../../../src/net/key.ts';
import { FakeHost } from '../../support/fake-host.ts';

/** A node in memory with ten thousand peers: it takes many at once, where FakeHost takes one after the other. */
export class CrowdedHost extends FakeHost {
  override async apply(step: Operation): Promise<void> {
    const { device } = this.state;
    if (step.kind !== 'set-peers' || device === undefined || step.changes.some(({ kind }) => kind !== 'add'))
      return super.apply(step);
    this.#see(
      step.changes.flatMap((change) => {
        if (change.kind !== 'add') return [];
        const { publicKey, allowedIPs } = change;
        return [{ publicKey, allowedIPs, latestHandshake: 0, receivedBytes: 0, sentBytes: 0 }];
      }),
    );
  }

  /** Peers are seen to have had a handshake. */
  handshakes(seen: ReadonlyMap<PublicKey, Pick<ObservedPeer, 'endpoint' | 'latestHandshake'>>): void {
    const { peers } = this.state.device ?? {};
    this.#see(
      [...seen].flatMap(([publicKey, handshake]) => {
        const peer = peers?.get(publicKey);
        return peer === undefined ? [] : [{ ...peer, ...handshake }];
      }),
    );
  }

  #see(changed: readonly ObservedPeer[]): void {
    const { device } = this.state;
    if (device === undefined) return;
    const peers = new Map(device.peers);
    for (const peer of changed) peers.set(peer.publicKey, peer);
    this.state = { ...this.state, device: { ...device, peers } };
  }
}
