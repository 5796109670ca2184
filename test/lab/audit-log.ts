import type { AuditLine } from '../../src/mesh/audit/line.ts';
import { type Mesh, RELEASE } from './mesh.ts';

/** A line of the audit log, with what each line has beside the event's own fields. */
export type WrittenLine = AuditLine & {
  readonly time: string;
  readonly program: string;
  readonly node?: string;
  readonly gateway?: string;
};

/** What the running agents, or operators, have written to the audit log, pod after pod, as `kubectl logs` has it. */
export async function auditLog(mesh: Mesh, component: 'agent' | 'operator'): Promise<readonly WrittenLine[]> {
  const pods = ['-l', `app.kubernetes.io/component=${component}`];
  const text = await mesh.cluster.kubectl(['-n', RELEASE.namespace, 'logs', ...pods, '--tail=-1']);
  return text
    .split('\n')
    .filter((line) => line.includes('"log":"audit"'))
    .map((line) => JSON.parse(line));
}
