import type { PublicKey } from '../../net/key.ts';
import type { SeenPeer } from '../sessions.ts';

/** So long a device must send nothing here before it is believed to have gone, in milliseconds. */
const SILENT_MS = 400;

/**
 * Devices that have a session here and have come to another node, by its report. A device follows whoever sends to it, so two nodes that send to
 * one device take it from each other: who hears nothing more from it lets it go. A device that is heard all the same has come back, and
 * the other node will hear nothing. So the device decides, by where it sends.
 */
export class SharedDevices {
  /** What each had sent here when it was looked at first after it came elsewhere, and when that was; undefined until then. */
  readonly #shared = new Map<PublicKey, { readonly received: number; readonly at: number } | undefined>();

  /** Takes in that devices with these keys have come to another node. */
  arrived(keys: Iterable<PublicKey>): void {
    for (const key of keys) this.#shared.set(key, undefined);
  }

  /** Takes in what is seen of the node's peers; returns who has gone. `now` is in monotonic milliseconds. */
  gone(observed: ReadonlyMap<PublicKey, SeenPeer>, now: number): readonly PublicKey[] {
    const gone: PublicKey[] = [];
    for (const [key, before] of this.#shared) {
      const received = observed.get(key)?.receivedBytes;
      if (before === undefined && received !== undefined) this.#shared.set(key, { received, at: now });
      else if (before === undefined || received !== before.received) this.#shared.delete(key);
      else if (now >= before.at + SILENT_MS) {
        this.#shared.delete(key);
        gone.push(key);
      }
    }
    return gone;
  }
}
