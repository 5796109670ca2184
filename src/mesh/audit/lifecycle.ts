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
      reason: isOther ? 'Replaced' : putOut(after, now),
    });
  if (member !== undefined && (before === undefined || isOther))
    lines.push({ event: 'let-in', peer: auditedPeer(member.peer), addresses: member.peer.status?.addresses ?? [] });
  return lines;
}

function putOut(peer: MeshPeer | undefined, now: number): PutOut {
  if (peer === undefined || peer.metadata.deletionTimestamp !== undefined) return 'Deleted';
  if (peer.spec.suspended) return 'Suspended';
  return expiryOf(peer) <= now ? 'Expired' : 'NotAccepted';
}
