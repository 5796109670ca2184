import type { FileReport } from './ring-report.ts';

/** What one ring of tests came to. */
export interface RingResult {
  readonly ring: string;
  /** What the ring is, in a few words. */
  readonly says?: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** What its files took together; those of rings that ran side by side add up to more than the run took. */
  readonly seconds: number;
  /** The names of what failed, for the summary. */
  readonly failures: readonly string[];
  /** Its files of tests, for a ring that has such. */
  readonly files?: readonly FileReport[];
  /** Why the ring did not run at all, and what would make it run. */
  readonly skippedBecause?: string;
}

/** The last line of a test run, read by people and by machines. */
export function lastLine(results: readonly RingResult[]): string {
  const sum = (count: (result: RingResult) => number) => results.reduce((total, result) => total + count(result), 0);
  return `${sum((r) => r.passed)} passed, ${sum((r) => r.failed)} failed, ${sum((r) => r.skipped)} skipped`;
}

/** A ring that did not run. It counts as one skipped test, or as one failed test where every ring is required. */
export function skippedRing(ring: string, skippedBecause: string, required: boolean): RingResult {
  const failures = required ? [`ring ${ring} did not run, and every ring is required here`] : [];
  return { ring, passed: 0, failed: failures.length, skipped: required ? 0 : 1, seconds: 0, failures, skippedBecause };
}

/** Milliseconds as people say them, `14 min 3 s`. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}

/** The results as a table with aligned columns, one line per ring. */
export function table(results: readonly RingResult[]): string {
  const head = ['ring', 'passed', 'failed', 'skipped', 'seconds'];
  const rows = results.map((r) => [
    r.ring,
    ...[r.passed, r.failed, r.skipped].map(String),
    r.seconds.toFixed(1),
    ...(r.skippedBecause === undefined ? [] : ['SKIPPED']),
  ]);
  return aligned([head, ...rows]);
}

/** Rows as lines whose columns line up: the first to the left, the others to the right. */
export function aligned(rows: readonly (readonly string[])[]): string {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  const cell = (text: string, column: number) =>
    column === 0 ? text.padEnd(width(column)) : text.padStart(width(column));
  return rows.map((row) => row.map(cell).join('  ').trimEnd()).join('\n');
}
