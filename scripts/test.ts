import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { runChecks } from './support/checks.ts';
import { runChild } from './support/child.ts';
import { evidenceSince, forgetEarlierEvidence } from './support/evidence-folder.ts';
import { interruption } from './support/interrupt.ts';
import { inProject, NODE, ROOT } from './support/paths.ts';
import { proven, skipped, slowest } from './support/proven.ts';
import { countsOf } from './support/ring-report.ts';
import { REPORT_VARIABLE } from './support/ring-reporter.ts';
import { type Ring, rings } from './support/rings.ts';
import { lastLine, type RingResult, skippedRing, table } from './support/tally.ts';

const { values } = parseArgs({
  options: {
    ring: { type: 'string', multiple: true },
    list: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});
const required = !['', '0', 'false'].includes(process.env.CI ?? '');

if (values.help === true) console.log('npm test -- [--list] [--ring NAME]...   runs every ring, or those named');
else if (values.list === true) list();
else process.exitCode = await run(chosen(values.ring));

function list(): void {
  for (const ring of rings()) {
    const problem = ring.problem();
    console.log(
      `${ring.name.padEnd(9)} ${ring.says}${problem === undefined ? '' : `\n          cannot run here: ${problem}`}`,
    );
  }
}

function chosen(names: readonly string[] | undefined): readonly Ring[] {
  const all = rings();
  const unknown = names?.find((name) => !all.some((ring) => ring.name === name));
  if (unknown !== undefined) {
    console.error(`there is no ring "${unknown}"; there are: ${all.map((ring) => ring.name).join(', ')}`);
    process.exit(2);
  }
  return names === undefined ? all : all.filter((ring) => names.includes(ring.name));
}

/** Runs the rings one after the other, then says what they came to. Returns the exit status. */
async function run(wanted: readonly Ring[]): Promise<number> {
  const signal = interruption((name) => console.log(`\n${name}: ending; tests that hold something clean up first`));
  forgetEarlierEvidence();
  const began = Date.now();
  const results: RingResult[] = [];
  for (const ring of wanted) {
    if (signal.aborted) break;
    results.push({ says: ring.says, ...(await runRing(ring, signal)) });
  }
  const failures = results.flatMap((result) => result.failures).map((failure) => failure.replace(`${ROOT}/`, ''));
  const failed = headed('Failed:', failures);
  const evidence = headed('Evidence of failures (logs, objects, kernel state, captures):', evidenceSince(began));
  const interrupted = signal.aborted ? 'Interrupted: the numbers are not the whole.' : '';
  const parts = [proven(results), slowest(results), skipped(results), failed, evidence, interrupted, table(results)];
  console.log(`\n${[...parts, lastLine(results)].filter((part) => part !== '').join('\n\n')}`);
  return signal.aborted ? 130 : failures.length > 0 ? 1 : 0;
}

function headed(head: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : [head, ...lines.map((line) => `  ${line}`)].join('\n');
}

async function runRing(ring: Ring, signal: AbortSignal): Promise<RingResult> {
  const problem = ring.problem();
  if (problem !== undefined) {
    console.log(`\nSKIPPED ${ring.name}: ${problem}`);
    return skippedRing(ring.name, problem, required);
  }
  console.log(`\n=== ${ring.name}: ${ring.says}`);
  if (ring.config === undefined) return runChecks({ signal });
  const unprepared = await prepare(ring, signal);
  return unprepared ?? runVitest(ring, ring.config, signal);
}

/** Makes what the ring's tests need. Returns a result only where that failed. */
async function prepare({ name, prepare: script, grace }: Ring, signal: AbortSignal): Promise<RingResult | undefined> {
  if (script === undefined) return undefined;
  const started = performance.now();
  const { code } = await runChild([NODE, inProject(script)], { cwd: ROOT, signal, grace });
  if (code === 0) return undefined;
  const failures = [`${name}: ${script} failed (exit status ${code}); its message is above`];
  return { ring: name, passed: 0, failed: 1, skipped: 0, seconds: (performance.now() - started) / 1000, failures };
}

async function runVitest(ring: Ring, config: string, signal: AbortSignal): Promise<RingResult> {
  const started = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'sallyport-test-'));
  try {
    const report = join(folder, 'report.json');
    const reporters = ['--reporter=default', `--reporter=${inProject('scripts/support/ring-reporter.ts')}`];
    const env = { ...process.env, [REPORT_VARIABLE]: report };
    const { code } = await runChild(
      [
        NODE,
        inProject('node_modules/vitest/vitest.mjs'),
        'run',
        '--root',
        ROOT,
        '--config',
        inProject(config),
        ...reporters,
      ],
      { cwd: ROOT, env, signal, grace: ring.grace },
    );
    const counts = countsOf(readIfThere(report), code);
    return { ring: ring.name, ...counts, seconds: (performance.now() - started) / 1000 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
