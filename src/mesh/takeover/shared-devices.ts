import type { PublicKey } from '../../net/key.ts';
import type { SeenPeer } from '../sessions.ts';

/** So long a device must send nothing here before it is believed to have gone, in milliseconds. */
const SILENT_MS = 400;

/** How it stands with a device: it came elsewhere, and was not looked at since; was looked at first; or has gone in any case. */
type Standing = 'came' | { readonly received: number; readonly at: number } | 'left';

/**
 * Devices that have a session here and have come to another node, by its report. A device follows whoever sends to it, so two nodes that send to
 * one device take it from each other: who hears nothing more from it lets it go. A device that is heard all the same has come back, and
 * the other node will hear nothing. So the device decides, by where it sends. Times are in monotonic milliseconds.
 */
export class SharedDevices {
  readonly #shared = new Map<PublicKey, Standing>();

  /** Takes in that devices with these keys have come to another node. */
  arrived(keys: Iterable<PublicKey>): void {
    for (const key of keys) this.#shared.set(key, 'came');
  }

  /** Takes in that these have gone, whatever is heard of them. */
  left(keys: Iterable<PublicKey>): void {
    for (const key of keys) this.#shared.set(key, 'left');
  }

  /** Takes in what is seen of the node's peers; returns who has gone. */
  gone(observed: ReadonlyMap<PublicKey, SeenPeer>, now: number): readonly PublicKey[] {
    const gone: PublicKey[] = [];
    for (const [key, standing] of this.#shared) {
      const received = observed.get(key)?.receivedBytes;
      if (standing === 'came' && received !== undefined) this.#shared.set(key, { received, at: now });
      else if (received === undefined || !isSilent(standing, received)) this.#shared.delete(key);
      else if (standing === 'left' || now >= dueAt(standing)) {
        this.#shared.delete(key);
        gone.push(key);
      }
    }
    return gone;
  }

  /** When somebody is known to have gone who goes on being silent; undefined where nobody has been silent. */
  get next(): number | undefined {
    const next = Math.min(...[...this.#shared.values()].map(dueAt));
    return next === Number.POSITIVE_INFINITY ? undefined : next;
  }
}

function isSilent(standing: Standing, received: number): standing is Exclude<Standing, 'came'> {
  return standing === 'left' || (standing !== 'came' && standing.received === received);
}

function dueAt(standing: Standing): number {
  return typeof standing === 'object' ? standing.at + SILENT_MS : Number.POSITIVE_INFINITY;
}
