import type { MeshGatewayNodeStatus } from '../api/meshgatewaynode.ts';
import { judgeNode } from '../mesh/node-status.ts';
import { liveSessions } from '../mesh/sessions.ts';
import { failureOf } from './failure.ts';
import type { AgentParts } from './parts.ts';

/** What the parts of an agent have found, as its report has it; undefined while there is no gateway to report on. `now` is in milliseconds since 1970. */
export function nodeReport(
  parts: AgentParts,
  before: MeshGatewayNodeStatus | undefined,
  now: number,
): MeshGatewayNodeStatus | undefined {
  const { sync, takeover, releasing } = parts;
  const { gateway, facts, state, appliedResourceVersion, appliedGeneration, observedPeers, table, unended } = sync;
  if (gateway === undefined) return undefined;
  const plan = sync.topology();
  const isLeaving = gateway.metadata.deletionTimestamp !== undefined;
  const findings = {
    gateway: isLeaving ? gateway : (plan?.gateway ?? gateway),
    hasPlan: plan !== undefined,
    facts,
    state,
    failure: parts.retries.failure,
    contested: parts.repairs.contested,
    unended: unended === undefined ? undefined : failureOf(unended).message,
    probe: parts.probing.verdict,
    foreign: parts.foreign.found,
    unanswered: sync.nextKeyProblem ?? parts.configurations.problem,
    appliedResourceVersion,
    appliedGeneration,
    waitsForGrants: sync.waitsForGrants,
    peers: table.memberCount,
    withoutPresharedKey: [...sync.withoutPresharedKey()],
    otherKey: sync.otherKey,
    tracking: parts.tracking.standing,
    cutGrants: sync.cutGrants,
    connections: liveSessions(observedPeers.values(), table, before?.connections ?? [], now, {
      isShared: (peer) => takeover.isShared(peer),
      isReleased: (peer) => releasing.isReleased(peer),
    }),
    liveness: takeover.liveness(before?.liveness),
  };
  return judgeNode(findings, before, now);
}
