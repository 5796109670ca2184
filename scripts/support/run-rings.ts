import { againAlone } from './alone.ts';
import { runChecks } from './checks.ts';
import { runChild } from './child.ts';
import { inProject, NODE, ROOT } from './paths.ts';
import { type Counts, countsOf, countsOfEach, type FileReport, failuresOf } from './ring-report.ts';
import type { Ring } from './rings.ts';
import { type RingResult, skippedRing } from './tally.ts';
import { runVitest, type VitestEnd, type VitestRun } from './vitest-run.ts';

/** How rings are run. */
export interface RingRun {
  readonly signal: AbortSignal;
  /** Whether a ring that cannot run here is a failure. */
  readonly required: boolean;
}

/** Runs rings side by side, those that can run here. Their output goes to the user as it comes. */
export async function runStage(stage: readonly Ring[], run: RingRun): Promise<readonly RingResult[]> {
  const able: Ring[] = [];
  const results: RingResult[] = [];
  for (const ring of stage) {
    const problem = ring.problem();
    if (problem === undefined) able.push(ring);
    else results.push({ ...skippedRing(ring.name, problem, run.required), says: ring.says });
    console.log(`\n${problem === undefined ? `=== ${ring.name}: ${ring.says}` : `SKIPPED ${ring.name}: ${problem}`}`);
  }
  const ran = await runTogether(able, run.signal);
  const said = able.flatMap(({ says }, at) => (ran[at] === undefined ? [] : [{ ...ran[at], says }]));
  return [...results, ...said];
}

async function runTogether(rings: readonly Ring[], signal: AbortSignal): Promise<readonly RingResult[]> {
  const runs = [...Map.groupBy(rings, ({ config }) => config)];
  const ends = await Promise.allSettled(runs.map(([config, group]) => runGroup(group, config, signal)));
  return ends.flatMap((end) => {
    if (end.status === 'rejected') throw end.reason;
    return end.value;
  });
}

/** Rings of one configuration, which are one run of vitest; without one, the checks. */
async function runGroup(rings: readonly Ring[], config: string | undefined, signal: AbortSignal) {
  if (config === undefined) return [await runChecks({ signal })];
  const unprepared = await prepare(rings, signal);
  return unprepared ?? runTests(rings, config, signal);
}

/** Makes what the rings' tests need. Returns results only where that failed. */
async function prepare(rings: readonly Ring[], signal: AbortSignal): Promise<readonly RingResult[] | undefined> {
  const started = performance.now();
  for (const script of new Set(rings.flatMap((ring) => ring.prepare ?? []))) {
    const { code } = await runChild([NODE, inProject(script)], { cwd: ROOT, signal, grace: longestGrace(rings) });
    if (code === 0) continue;
    const seconds = (performance.now() - started) / 1000;
    return rings.map(({ name }) => {
      const failures = [`${name}: ${script} failed (exit status ${code}); its message is above`];
      return { ring: name, passed: 0, failed: 1, skipped: 0, seconds, failures };
    });
  }
  return undefined;
}

async function runTests(rings: readonly Ring[], config: string, signal: AbortSignal): Promise<readonly RingResult[]> {
  const started = performance.now();
  const grace = longestGrace(rings);
  const ended = await runVitest({ config, words: projects(rings), signal, grace });
  if (rings[0]?.isProject !== true) {
    const seconds = (performance.now() - started) / 1000;
    return rings.map(({ name }) => ({ ring: name, ...countsOf(ended.report, ended.code), seconds }));
  }
  return sideBySide(
    rings,
    signal.aborted ? ended : await againAlone(ended, (file) => runAlone(file, { signal, grace })),
  );
}

async function runAlone({ path, ring, ...file }: FileReport, limits: Pick<VitestRun, 'signal' | 'grace'>) {
  console.log(`\n=== ${path} failed beside others and runs again alone:`);
  for (const failure of failuresOf({ path, ring, ...file })) console.log(`  ${failure}`);
  return runVitest({ config: `test/${ring}/vitest.config.ts`, words: [path], ...limits });
}

function sideBySide(rings: readonly Ring[], { report, code }: VitestEnd): readonly RingResult[] {
  const names = rings.map(({ name }) => name);
  const together = ({ files }: Counts) => files.reduce((sum, { seconds }) => sum + seconds, 0);
  return countsOfEach(names, report, code).flatMap((counts, at) => {
    const ring = names[at];
    return ring === undefined ? [] : [{ ring, ...counts, seconds: together(counts) }];
  });
}

/** The words that choose the projects of rings; a ring whose configuration is its own has none. */
function projects(rings: readonly Ring[]): readonly string[] {
  return rings.flatMap(({ name, isProject }) => (isProject === true ? ['--project', name] : []));
}

function longestGrace(rings: readonly Ring[]): number {
  return Math.max(...rings.map(({ grace }) => grace));
}
