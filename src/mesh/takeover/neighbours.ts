import { ranked } from '../../net/rendezvous.ts';

/** So many nodes on each side of a node in the ring. */
const REACH = 2;

/**
 * Which nodes a node asks whether they live: those next to it, on both sides, in a ring in which all stand by a hash of their names. So whom a node
 * asks asks it too, and of a cable that broke both ends hear; each is asked by four others, where there are so many; and one that comes
 * or goes changes little for the rest.
 */
export function neighboursOf(node: string, nodes: Iterable<string>): readonly string[] {
  const ring = ranked('', new Set([...nodes, node]));
  const place = ring.indexOf(node);
  const steps = Array.from({ length: 2 * REACH + 1 }, (_, index) => index - REACH);
  const near = steps.flatMap((step) => ring.at((place + step) % ring.length) ?? []);
  return [...new Set(near)].filter((other) => other !== node).sort();
}
