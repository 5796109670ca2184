import { type ChildOptions, runChild } from './child.ts';
import { inProject, NODE, ROOT } from './paths.ts';
import type { RingResult } from './tally.ts';

interface Check {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  readonly remedy: string;
}

const CHECKS: readonly Check[] = [
  {
    name: 'types',
    argv: [NODE, inProject('node_modules/typescript/bin/tsc'), '--noEmit', '-p', ROOT],
    remedy: 'mend the types named above',
  },
  {
    name: 'lint and format',
    argv: [NODE, inProject('node_modules/@biomejs/biome/bin/biome'), 'ci', '--colors=off', ROOT],
    remedy: 'npx biome check --write mends most of it',
  },
];

/** Runs every check, prints one line for each, and what a failed one had to say. */
export async function runChecks(options: Pick<ChildOptions, 'signal'>): Promise<RingResult> {
  const started = performance.now();
  const failures: string[] = [];
  for (const check of CHECKS) {
    if (!(await passes(check, options))) failures.push(`check: ${check.name}: ${check.remedy}`);
  }
  const failed = failures.length;
  const seconds = (performance.now() - started) / 1000;
  return { ring: 'check', passed: CHECKS.length - failed, failed, skipped: 0, seconds, failures };
}

async function passes(check: Check, options: Pick<ChildOptions, 'signal'>): Promise<boolean> {
  const { code, stdout, stderr } = await runChild(check.argv, {
    ...options,
    cwd: ROOT,
    output: 'capture',
    grace: 2_000,
  });
  console.log(`${code === 0 ? '✓' : '✗'} ${check.name}`);
  if (code !== 0) console.log(stdout + stderr);
  return code === 0;
}
