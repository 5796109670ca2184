import { z } from 'zod';

/** What vitest's json reporter writes, as far as it is read here. */
const reportSchema = z.object({
  success: z.boolean(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
});

export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
}

/**
 * Counts of a vitest run from its json report and exit status. Whatever fails outside a test (a file that does not load, an
 * error nobody awaited, a run that never wrote its report) counts as one failure, so that no broken run looks green.
 */
export function countsOf(report: string | undefined, exitCode: number): Counts {
  if (report === undefined)
    return { passed: 0, failed: 1, skipped: 0, failures: [`vitest ended without a report (exit status ${exitCode})`] };
  const { testResults } = reportSchema.parse(JSON.parse(report));
  const tests = testResults.flatMap((file) => file.assertionResults);
  const failures = testResults.flatMap(failuresOf);
  if (exitCode !== 0 && failures.length === 0)
    failures.push(`vitest failed outside the tests (exit status ${exitCode})`);
  const passed = tests.filter((test) => test.status === 'passed').length;
  const failed = tests.filter((test) => test.status === 'failed').length;
  return { passed, failed: failures.length, skipped: tests.length - passed - failed, failures };
}

type FileResult = z.infer<typeof reportSchema>['testResults'][number];

function failuresOf(file: FileResult): string[] {
  const failed = file.assertionResults.filter((test) => test.status === 'failed');
  if (file.status === 'failed' && failed.length === 0) return [`${file.name}: the file failed outside its tests`];
  return failed.map((test) => `${file.name}: ${test.fullName}`);
}
