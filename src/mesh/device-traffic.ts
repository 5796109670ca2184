import type { ObjectKey } from '../api/resource.ts';
import type { PublicKey } from '../net/key.ts';
import { type Bytes, type Counters, counted } from './peer-traffic.ts';
import type { SeenPeer } from './sessions.ts';

/**
 * What went through a node's interfaces for single devices, whichever interface and key they came by. A counter is counted whole when it is
 * seen first: that of a kernel's interface goes on when the agent is another one.
 */
export class DeviceTraffic {
  #before: ReadonlyMap<PublicKey, Counters> = new Map();
  #totals: ReadonlyMap<ObjectKey, Bytes> = new Map();

  /** Takes in what was seen in the interfaces. Returns the bytes of every device there; of those no longer there nothing is kept. */
  take(
    observed: ReadonlyMap<PublicKey, SeenPeer>,
    deviceOf: (key: PublicKey) => ObjectKey | undefined,
  ): ReadonlyMap<ObjectKey, Bytes> {
    const after = new Map<PublicKey, Counters>();
    const totals = new Map<ObjectKey, Bytes>();
    for (const peer of observed.values()) {
      const device = deviceOf(peer.publicKey);
      if (device === undefined) continue;
      const { counters, grown } = counted(this.#before.get(peer.publicKey), peer);
      after.set(peer.publicKey, counters);
      const { received, sent } = totals.get(device) ?? this.#totals.get(device) ?? { received: 0, sent: 0 };
      totals.set(device, { received: received + grown.received, sent: sent + grown.sent });
    }
    this.#before = after;
    this.#totals = totals;
    return totals;
  }
}
