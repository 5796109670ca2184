import { type KubernetesObject, keyOf } from '../api/resource.ts';

/**
 * Orders objects by age, the oldest first; names break ties, so that every replica and every node decides a conflict alike.
 * Timestamps of the API server are RFC 3339 in UTC with whole seconds, which sort as text.
 */
export function olderFirst(one: KubernetesObject, other: KubernetesObject): number {
  const a = `${one.metadata.creationTimestamp} ${keyOf(one.metadata)}`;
  const b = `${other.metadata.creationTimestamp} ${keyOf(other.metadata)}`;
  return a < b ? -1 : a > b ? 1 : 0;
}

/** The oldest of some objects; undefined for none. */
export function oldest<T extends KubernetesObject>(objects: Iterable<T>): T | undefined {
  let best: T | undefined;
  for (const object of objects) if (best === undefined || olderFirst(object, best) < 0) best = object;
  return best;
}
