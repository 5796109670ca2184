import { type FileReport, failuresOf, type RingReport } from './ring-report.ts';
import type { VitestEnd } from './vitest-run.ts';

/** If more files than this fail, it is not for want of a quiet machine. */
const MOST = 8;

/**
 * Has the files that failed side by side run again, each alone. Beside three clusters on two cores a test may wait for seconds where it
 * counts milliseconds, so what a file says alone is the verdict; that it failed beside others stays in the report and is told at the
 * end, for a race may show itself that way too.
 */
export async function againAlone(
  ended: VitestEnd,
  alone: (file: FileReport) => Promise<VitestEnd>,
): Promise<VitestEnd> {
  const { report } = ended;
  const failed = report?.files.filter((file) => file.failed) ?? [];
  if (report === undefined || failed.length === 0 || failed.length > MOST) return ended;
  const files = new Map(report.files.map((file) => [file.path, file]));
  const unhandled = [...report.unhandled];
  for (const file of failed) {
    const again = await alone(file);
    const [now] = again.report?.files ?? [];
    if (now === undefined) return ended;
    files.set(file.path, { ...now, ring: file.ring, besideOthers: [...failuresOf(file)] });
    unhandled.push(...(again.report?.unhandled ?? []));
  }
  const broken = unhandled.length > 0 || [...files.values()].some((file) => file.failed);
  return { report: { files: [...files.values()], unhandled }, code: broken ? 1 : 0 };
}

/** What failed beside others and passed alone, a line each. */
export function unsteady(files: RingReport['files']): readonly string[] {
  return files.flatMap(({ failed, besideOthers = [] }) => (failed ? [] : besideOthers));
}
