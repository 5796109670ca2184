import { type CountedElement, SEEN_PREFIX } from '../../dataplane/nftables/counted.ts';
import { type Dialled, dialledIn } from './dialled.ts';
import type { Verdict } from './sets.ts';

/** What one device had to do with one destination. */
export interface Sighting extends Dialled {
  readonly verdict: Verdict;
  /** Packets that were refused, or connections that were let in, by their first packets. */
  readonly packets: number;
  /** Of what was refused, and of what connections carried that were let in, in both directions, with the headers of IP. */
  readonly bytes: number;
  /** Those of them that the device was sent; undefined of what was refused. */
  readonly bytesToDevice?: number | undefined;
}

/** What an element says of the sets that note how connections ended; undefined for one that says nothing. */
export function sightingIn({ set, element, packets, bytes }: CountedElement): Sighting | undefined {
  const verdict = set.startsWith(`${SEEN_PREFIX}denied`) ? 'denied' : 'accepted';
  const dialled = dialledIn(element.split(' . '));
  return dialled === undefined ? undefined : { verdict, ...dialled, packets, bytes };
}

/**
 * The connections that were let in, with what these and earlier ones have carried since: their own bytes are those of first packets, which
 * `carried` counts too.
 */
export function withCarried(letIn: readonly Sighting[], carried: readonly CountedElement[]): readonly Sighting[] {
  const found = new Map<string, Sighting>();
  for (const sighting of letIn) found.set(dialledKey(sighting), { ...sighting, bytes: 0, bytesToDevice: 0 });
  for (const { element, bytes } of carried) {
    const fields = element.split(' . ');
    const toDevice = fields.pop() === 'reply' ? bytes : 0;
    const dialled = dialledIn(fields);
    if (dialled === undefined) continue;
    const key = dialledKey(dialled);
    const before = found.get(key) ?? { verdict: 'accepted', ...dialled, packets: 0, bytes: 0 };
    const bytesToDevice = (before.bytesToDevice ?? 0) + toDevice;
    found.set(key, { ...before, bytes: before.bytes + bytes, bytesToDevice });
  }
  return [...found.values()];
}

function dialledKey({ source, protocol, destination, port }: Dialled): string {
  return `${source} ${protocol} ${destination} ${port}`;
}
