import { z } from 'zod';

const testSchema = z.object({
  name: z.string(),
  /** Pending: the run ended before it. */
  state: z.enum(['passed', 'failed', 'skipped', 'pending']),
  /** Why it was skipped, when the test told. */
  why: z.string().exactOptional(),
});

const fileSchema = z.object({
  /** From the project's top. */
  path: z.string(),
  /** The project that it belongs to, which is called as its ring; empty where the run has no projects. */
  ring: z.string(),
  /** Whether anything in it failed, outside its tests too. */
  failed: z.boolean(),
  /** All it took, with its hooks. */
  seconds: z.number(),
  /** Of what stands at the top of the file: suites and tests. */
  titles: z.array(z.string()),
  tests: z.array(testSchema),
});

const reportSchema = z.object({ files: z.array(fileSchema) });

export type TestReport = z.infer<typeof testSchema>;
export type FileReport = z.infer<typeof fileSchema>;
/** What the reporter writes about one run of vitest. */
export type RingReport = z.infer<typeof reportSchema>;

/** What a run of vitest came to. */
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  readonly failures: readonly string[];
  readonly files: readonly FileReport[];
}

/**
 * Counts of a vitest run from its report and exit status. Whatever fails outside a test (a file that does not load, an
 * error nobody awaited, a run that never wrote its report) counts as one failure, so that no broken run looks green.
 */
export function countsOf(report: string | undefined, exitCode: number): Counts {
  if (report === undefined) {
    const failures = [`vitest ended without a report (exit status ${exitCode})`];
    return { passed: 0, failed: 1, skipped: 0, failures, files: [] };
  }
  const { files } = reportSchema.parse(JSON.parse(report));
  const tests = files.flatMap((file) => file.tests);
  const failures = files.flatMap(failuresOf);
  if (exitCode !== 0 && failures.length === 0)
    failures.push(`vitest failed outside the tests (exit status ${exitCode})`);
  const passed = tests.filter(({ state }) => state === 'passed').length;
  const failed = tests.filter(({ state }) => state === 'failed').length;
  return { passed, failed: failures.length, skipped: tests.length - passed - failed, failures, files };
}

/**
 * The same for rings that ran side by side, in their order. What failed outside the tests counts for the first of them.
 */
export function countsOfEach(
  rings: readonly string[],
  report: string | undefined,
  exitCode: number,
): readonly Counts[] {
  if (report === undefined) return rings.map(() => countsOf(undefined, exitCode));
  const { files } = reportSchema.parse(JSON.parse(report));
  const own = (ring: string) => JSON.stringify({ files: files.filter((file) => file.ring === ring) });
  const isTold = countsOf(report, 0).failed > 0;
  return rings.map((ring, at) => countsOf(own(ring), at === 0 && !isTold ? exitCode : 0));
}

function failuresOf({ path, failed, tests }: FileReport): string[] {
  const names = tests.filter(({ state }) => state === 'failed').map(({ name }) => name);
  if (failed && names.length === 0) return [`${path}: the file failed outside its tests`];
  return names.map((name) => `${path}: ${name}`);
}
