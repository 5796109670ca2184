import { diagnose } from '../../laptop/doctor/diagnose.ts';
import type { Findings, InsideFinding } from '../../laptop/doctor/findings.ts';

/**
 * What was found, what is broken through the tunnel alone being looked at once more: a datagram that got lost, or a machine too busy to read an
 * answer within its time, is no fault. The second look counts.
 */
export async function confirmed(findings: Findings, lookAgain: () => Promise<InsideFinding>): Promise<Findings> {
  const isWell = ({ verdict }: ReturnType<typeof diagnose>) => verdict === undefined;
  if (isWell(diagnose(findings)) || !isWell(diagnose({ ...findings, inside: undefined }))) return findings;
  return { ...findings, inside: await lookAgain() };
}
