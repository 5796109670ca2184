import { createHash } from 'node:crypto';

/**
 * Who of several should have a thing: everybody who asks with the same candidates finds the same one, and when a candidate goes, only what
 * it had finds another (highest random weight: Thaler and Ravishankar, 1998). Undefined when there is no candidate.
 */
export function rendezvous(thing: string, candidates: Iterable<string>): string | undefined {
  return ranked(thing, candidates)[0];
}

/** All candidates, the one that should have the thing first. */
export function ranked(thing: string, candidates: Iterable<string>): readonly string[] {
  return [...candidates]
    .map((candidate) => ({ candidate, weight: weightOf(thing, candidate) }))
    .sort((one, other) => Buffer.compare(other.weight, one.weight))
    .map(({ candidate }) => candidate);
}

/** Lengths stand before the texts, so that no two pairs say the same. */
function weightOf(thing: string, candidate: string): Buffer {
  return createHash('sha256').update(`${thing.length}:${thing}${candidate}`).digest();
}
