import { claimOf } from './claims.ts';
import type { FileReport, TestReport } from './ring-report.ts';
import { aligned, type RingResult } from './tally.ts';

/** So many of the slowest files are named, if they took longer than this. */
const SLOWEST = 5;
const SLOW_S = 5;
/** So many skipped tests of one file are named; the others are counted. */
const NAMED_SKIPS = 5;

/** What every ring proved, a line per claim with the tests that hold it up and the time they took. A claim with a failure is broken. */
export function proven(results: readonly RingResult[]): string {
  return ['What was proven:', ...results.map(ringText)].join('\n\n');
}

/** The files that took longest, over all rings; empty when all were quick. */
export function slowest(results: readonly RingResult[]): string {
  const files = results.flatMap((result) => result.files ?? []).filter(({ seconds }) => seconds > SLOW_S);
  if (files.length === 0) return '';
  const first = files.toSorted((one, other) => other.seconds - one.seconds).slice(0, SLOWEST);
  return `Slowest:\n${indented(aligned(first.map(({ path, seconds }) => [path, inSeconds(seconds)])))}`;
}

/** Every ring and test that did not run, and why; empty when all ran. */
export function skipped(results: readonly RingResult[]): string {
  const lines = results.flatMap(({ ring, skippedBecause, files = [] }) => [
    ...(skippedBecause === undefined ? [] : [`ring ${ring}: ${skippedBecause}`]),
    ...files.flatMap(skippedIn),
  ]);
  return lines.length === 0 ? '' : `Skipped:\n${indented(lines.join('\n'))}`;
}

function ringText({ ring, says, passed, failed, seconds, files = [], skippedBecause }: RingResult): string {
  const head = `${ring}${says === undefined ? '' : `: ${says}`}`;
  if (skippedBecause !== undefined) return `${head}\n  NOTHING, it did not run: ${skippedBecause}`;
  if (files.length === 0) return `${head}\n  ${passed} passed, ${failed} failed, ${inSeconds(seconds)}`;
  return `${head}\n${indented(aligned(rows(files)))}`;
}

function rows(files: readonly FileReport[]): readonly (readonly string[])[] {
  const claims = Map.groupBy(files, ({ path, titles }) => claimOf(path, titles).key);
  return [...claims].sort(byName).map(([key, group]) => {
    const tests = group.flatMap((file) => file.tests);
    const failed = tests.filter(({ state }) => state === 'failed').length;
    const passed = tests.filter(({ state }) => state === 'passed').length;
    const broken = failed > 0 || group.some((file) => file.failed);
    const verdict = broken ? 'BROKEN  ' : passed === 0 ? 'NOT RUN  ' : '';
    const text = claimOf(key, group[0]?.titles ?? []).text;
    const seconds = group.reduce((sum, file) => sum + file.seconds, 0);
    return [`${verdict}${text}`, `${passed}/${tests.length}`, inSeconds(seconds)];
  });
}

function skippedIn({ path, tests }: FileReport): readonly string[] {
  const missing = tests.filter(({ state }) => state === 'skipped' || state === 'pending');
  const named = missing.slice(0, NAMED_SKIPS).map((test) => `${path}: ${test.name}: ${why(test)}`);
  const others = missing.length - named.length;
  return others === 0 ? named : [...named, `${path}: and ${others} more`];
}

function why({ state, why: told }: TestReport): string {
  return told ?? (state === 'pending' ? 'the run ended before it' : 'its title or its file says why');
}

function byName([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number {
  return one < other ? -1 : 1;
}

function inSeconds(seconds: number): string {
  return `${seconds.toFixed(1)} s`;
}

function indented(text: string): string {
  return text.replace(/^/gm, '  ');
}
