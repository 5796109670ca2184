import { z } from 'zod';

const testSchema = z.object({
  name: z.string(),
  /** Pending: the run ended before it. */
  state: z.enum(['passed', 'failed', 'skipped', 'pending']),
  /** Why it was skipped, when the test told; or why it failed. */
  why: z.string().exactOptional(),
});

const fileSchema = z.object({
  /** From the project's top. */
  path: z.string(),
  /** The project that it belongs to, which is called as its ring; empty where the run has no projects. */
  ring: z.string(),
  /** Whether anything in it failed, outside its tests too. */
  failed: z.boolean(),
  /** What failed outside its tests: its hooks, or loading it. */
  errors: z.array(z.string()),
  /** What had failed when it ran beside others; it has run again alone since, and the rest of this tells of that. */
  besideOthers: z.array(z.string()).exactOptional(),
  /** All it took, with its hooks. */
  seconds: z.number(),
  /** Of what stands at the top of the file: suites and tests. */
  titles: z.array(z.string()),
  tests: z.array(testSchema),
});

const reportSchema = z.object({
  files: z.array(fileSchema),
  /** Errors that belong to no file, as of a promise that nobody awaited. */
  unhandled: z.array(z.string()),
});

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

/** @throws when it is not what the reporter writes */
export function parseReport(text: string): RingReport {
  return reportSchema.parse(JSON.parse(text));
}

/**
 * Counts of a vitest run from its report and exit status. Whatever fails outside a test (a file that does not load, an
 * error nobody awaited, a run that never wrote its report) counts as one failure, so that no broken run looks green.
 */
export function countsOf(report: RingReport | undefined, exitCode: number): Counts {
  if (report === undefined) {
    const failures = [`vitest ended without a report (exit status ${exitCode})`];
    return { passed: 0, failed: 1, skipped: 0, failures, files: [] };
  }
  const { files, unhandled } = report;
  const tests = files.flatMap((file) => file.tests);
  const failures = [...files.flatMap(failuresOf), ...unhandled.map((error) => `outside the tests: ${error}`)];
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
  report: RingReport | undefined,
  exitCode: number,
): readonly Counts[] {
  if (report === undefined) return rings.map(() => countsOf(undefined, exitCode));
  const { files, unhandled } = report;
  const isTold = countsOf(report, 0).failed > 0;
  return rings.map((ring, at) => {
    const own = files.filter((file) => file.ring === ring);
    return countsOf({ files: own, unhandled: at === 0 ? unhandled : [] }, at === 0 && !isTold ? exitCode : 0);
  });
}

/** A line for each failure of a file, with the first line of its reason. */
export function failuresOf({ path, failed, errors, tests }: FileReport): readonly string[] {
  const outside = errors.map((error) => `${path}: outside its tests: ${error}`);
  const inside = tests.filter(({ state }) => state === 'failed').map(({ name, why }) => `${path}: ${said(name, why)}`);
  const all = [...outside, ...inside];
  return failed && all.length === 0 ? [`${path}: the file failed outside its tests`] : all;
}

function said(name: string, why: string | undefined): string {
  return why === undefined ? name : `${name}: ${why}`;
}
