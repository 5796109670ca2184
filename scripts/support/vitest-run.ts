import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runChild } from './child.ts';
import { COMPILED_ONCE, inProject, NODE, ROOT } from './paths.ts';
import { parseReport, type RingReport } from './ring-report.ts';
import { REPORT_VARIABLE } from './ring-reporter.ts';

/** How a run of vitest ended. */
export interface VitestEnd {
  /** Nothing when it wrote none. */
  readonly report: RingReport | undefined;
  readonly code: number;
}

/** Which tests vitest runs, and how long they may take to clean up once interrupted, in milliseconds. */
export interface VitestRun {
  /** A configuration, from the project's top. */
  readonly config: string;
  /** Projects of it, or files. */
  readonly words: readonly string[];
  readonly signal: AbortSignal;
  readonly grace: number;
}

/**
 * Runs vitest; its output goes to the user as it comes. Its tests have a folder of their own for temporary files, and what they leave there goes with
 * it, also when they are interrupted.
 */
export async function runVitest({ config, words, signal, grace }: VitestRun): Promise<VitestEnd> {
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  try {
    const file = join(folder, 'report.json');
    const env = { ...COMPILED_ONCE, ...process.env, TMPDIR: folder, [REPORT_VARIABLE]: file };
    const vitest = [inProject('node_modules/vitest/vitest.mjs'), 'run', '--root', ROOT, '--config', inProject(config)];
    const reporters = ['--reporter=default', `--reporter=${inProject('scripts/support/ring-reporter.ts')}`];
    const { code } = await runChild([NODE, ...vitest, ...reporters, ...words], { cwd: ROOT, env, signal, grace });
    const text = readIfThere(file);
    return { report: text === undefined ? undefined : parseReport(text), code };
  } finally {
    // A program that is about to end may still write.
    rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
