/** How one node relies on another: not at all, as on one that lives but was lost or of no use a while ago, or whose work somebody undoes, or as on any other. */
export type Trust = 'none' | 'living' | 'steady';

/** A node of the gateway, as the one sees it that asks. */
export interface Candidate {
  readonly node: string;
  readonly trust: Trust;
  /** Whether its data plane holds what the resources say, or would if nobody undid that. */
  readonly isProgrammed: boolean;
  /** Whether it reaches Services. */
  readonly reachesServices: boolean;
  /** Whether it is about to go. */
  readonly isLeaving: boolean;
}

/**
 * Who may take devices over from a node that `is` dead, or lets them go: the best that there are. A dead node serves nobody, so any that lives is better; one
 * that lets devices go still serves them, so only one that reaches Services and stays is.
 */
export function takersFrom(is: 'dead' | 'living', nodes: readonly Candidate[]): readonly string[] {
  const able = nodes.filter(({ trust, isProgrammed }) => trust !== 'none' && isProgrammed);
  const useful = able.filter(({ reachesServices, isLeaving }) => reachesServices && !isLeaving);
  const ranks = [useful.filter(({ trust }) => trust === 'steady'), useful, ...(is === 'dead' ? [able] : [])];
  return ranks.find((rank) => rank.length > 0)?.map(({ node }) => node) ?? [];
}
