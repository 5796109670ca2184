import type { Condition } from '../../api/conditions.ts';
import type { ReportedConnection } from '../../api/meshgatewaynode.ts';
import type { MeshPeer } from '../../api/meshpeer.ts';
import { expiryOf, memberOf } from '../members.ts';
import { type AuditedPeer, type AuditLine, auditedPeer, type PutOut } from './line.ts';

/** A live session with who has it. */
export interface AuditedSession extends Pick<ReportedConnection, 'endpoint' | 'lastHandshake'> {
  readonly peer: AuditedPeer;
}

/** Sessions by the keys of their peers. */
export type AuditedSessions = ReadonlyMap<string, AuditedSession>;

/** What has become of sessions since the last look; endpoints stay away where `endpoints` is false. */
export function sessionLines(
  before: AuditedSessions,
  after: AuditedSessions,
  endpoints: boolean,
): readonly AuditLine[] {
  const lines: AuditLine[] = [];
  for (const [key, { peer, endpoint, lastHandshake }] of after) {
    const known = before.get(key);
    if (known !== undefined && known.endpoint === endpoint) continue;
    const event = known === undefined ? 'connected' : 'roamed';
    lines.push({ event, peer, ...(endpoints ? { endpoint } : {}), lastHandshake });
  }
  for (const [key, { peer, lastHandshake }] of before)
    if (!after.has(key)) lines.push({ event: 'idle', peer, lastHandshake });
  return lines;
}

/** What a change of a peer, or of the time, says about its being let in; nothing when it stays as it was. `now` is in milliseconds since the epoch. */
export function membershipLines(
  gateway: string,
  { before, after }: { readonly before: MeshPeer | undefined; readonly after: MeshPeer | undefined },
  now: number,
): readonly AuditLine[] {
  const member = after === undefined ? undefined : memberOf(gateway, after, now);
  const isOther = before !== undefined && after !== undefined && before.metadata.uid !== after.metadata.uid;
  const lines: AuditLine[] = [];
  if (before !== undefined && (member === undefined || isOther))
    lines.push({
      event: 'put-out',
      peer: auditedPeer(before),
      ...(isOther ? { reason: 'Replaced' } : putOut(after, now)),
    });
  if (member !== undefined && (before === undefined || isOther))
    lines.push({ event: 'let-in', peer: auditedPeer(member.peer), addresses: member.peer.status?.addresses ?? [] });
  return lines;
}

/** What the operator has decided about a peer, when that is something new. */
export function decisionLines(
  peer: MeshPeer,
  before: Condition | undefined,
  after: Condition | undefined,
): readonly AuditLine[] {
  if (after === undefined || (before?.status === after.status && before.reason === after.reason)) return [];
  const event = after.status === 'True' ? 'admitted' : 'rejected';
  const by = after.reason === 'Expired' ? {} : writtenBy(peer);
  return [{ event, peer: auditedPeer(peer), reason: after.reason, ...by }];
}

/** Nobody tells who deletes, and nobody need write anything for a peer to expire. */
function putOut(peer: MeshPeer | undefined, now: number): { readonly reason: PutOut; readonly by?: string } {
  if (peer === undefined || peer.metadata.deletionTimestamp !== undefined) return { reason: 'Deleted' };
  if (peer.spec.suspended) return { reason: 'Suspended', ...writtenBy(peer) };
  return expiryOf(peer) <= now ? { reason: 'Expired' } : { reason: 'NotAccepted', ...writtenBy(peer) };
}

function writtenBy({ metadata: { writtenBy: by } }: MeshPeer): { readonly by?: string } {
  return by === undefined ? {} : { by };
}
