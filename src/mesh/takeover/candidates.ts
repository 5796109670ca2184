import { findCondition, isTrue } from '../../api/conditions.ts';
import type { MeshGatewayNode } from '../../api/meshgatewaynode.ts';

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

/** A node by its report, trusted no more than it says itself that it may be. */
export function candidateOf(
  report: MeshGatewayNode,
  { trust, isLeaving }: Pick<Candidate, 'trust' | 'isLeaving'>,
): Candidate {
  const isDoubtful = isContested(report) || report.status?.liveness?.recovering === true;
  return {
    node: report.spec.node,
    trust: isDoubtful && trust === 'steady' ? 'living' : trust,
    isProgrammed: holdsAll(report) || isContested(report),
    reachesServices: isServing(report) === true,
    isLeaving,
  };
}

/** Whether a node reaches Services, by its report; undefined while nobody knows. */
export function isServing(report: MeshGatewayNode | undefined): boolean | undefined {
  const status = findCondition(report?.status?.conditions ?? [], 'ServicesReachable')?.status;
  return status === 'True' ? true : status === 'False' ? false : undefined;
}

function holdsAll({ status }: MeshGatewayNode): boolean {
  return ['InterfaceUp', 'Programmed'].every((type) => isTrue(status?.conditions ?? [], type));
}

/** Whether somebody undoes what the node makes: now and then it holds all that it should. */
function isContested({ status }: MeshGatewayNode): boolean {
  const conditions = status?.conditions ?? [];
  return isTrue(conditions, 'InterfaceUp') && findCondition(conditions, 'Programmed')?.reason === 'Contested';
}
