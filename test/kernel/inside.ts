import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { describe, test } from 'vitest';
import { z } from 'zod';
import { evidenceFolder } from '../../scripts/support/evidence-folder.ts';
import { COMPILED_ONCE } from '../../scripts/support/paths.ts';
import { cacheDirectory } from '../lab/binaries.ts';
import { step } from '../lab/progress.ts';
import { wireguardGo } from '../netns/support-usermode.ts';
import { runInGuest } from './guest.ts';
import { SLOWNESS } from './machine.ts';

const PROJECT = join(import.meta.dirname, '../..');
const REPORT = '/run/report';
const RESULTS = 'results';
/** Starting a program takes a guest about twenty times as long as its host. */
const TIMEOUTS = ['--testTimeout', '--hookTimeout'].map((word) => `${word}=${240_000 * SLOWNESS}`);
const GUEST_MS = 10 * 60_000;

/** What vitest's json reporter writes, as far as it is read here. */
const reportSchema = z.object({
  testResults: z.array(
    z.object({
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({ fullName: z.string(), status: z.string(), failureMessages: z.array(z.string()).nullish() }),
      ),
    }),
  ),
});

/** A test as it went inside the guest. */
interface Inner {
  readonly name: string;
  readonly status: string;
  readonly failures: readonly string[];
}

/**
 * Runs a file of the netns ring's tests inside a guest, whose kernel has WireGuard, and makes each of its tests one here: what
 * failed inside fails, what was skipped is skipped. They are known only once the guest has ended, so it runs while this file
 * is loaded. With `matching`, a regular expression, only the tests whose names it finds; `words` are the kernel's.
 */
export async function describeInside(file: string, matching = '', words: readonly string[] = []): Promise<void> {
  const all = await step(
    `${file} in a guest with kernel WireGuard`,
    runInside(join('test/netns', file), matching, words),
  );
  const inner = all.filter(({ name, status }) => status === 'failed' || new RegExp(matching).test(name));
  describe(`${file} on kernel WireGuard${words.map((word) => `, ${word}`).join('')}`, () => {
    for (const { name, status, failures } of inner) {
      test.skipIf(status !== 'passed' && status !== 'failed')(name, () => {
        if (status === 'failed') throw new Error(failures.join('\n'));
      });
    }
  });
}

async function runInside(file: string, matching: string, words: readonly string[]): Promise<readonly Inner[]> {
  const folder = await mkdtemp(join(tmpdir(), 'sallyport-inside-'));
  try {
    const vitest = [process.execPath, join(PROJECT, 'node_modules/vitest/vitest.mjs'), 'run', file];
    const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}/report.json`];
    const env = {
      ...COMPILED_ONCE,
      PATH: `${dirname(process.execPath)}:${process.env.PATH}`,
      SALLYPORT_CACHE: cacheDirectory(),
      SALLYPORT_GUEST: `${SLOWNESS}`,
      SALLYPORT_TEST_RESULTS: `${REPORT}/${RESULTS}`,
      WIREGUARD_GO: await wireguardGo(),
    };
    const { code, stdout, stderr } = await runInGuest(
      [...vitest, '--config', 'test/netns/vitest.config.ts', '--testNamePattern', matching, ...TIMEOUTS, ...reporters],
      { memory: 2048, words, cwd: PROJECT, env, shares: { [REPORT]: folder }, timeout: GUEST_MS * SLOWNESS },
    );
    const report = join(folder, 'report.json');
    if (!existsSync(report))
      throw new Error(`vitest wrote no report in the guest (exit ${code}):\n${stdout}\n${stderr}`);
    return innerTests(file, await readFile(report, 'utf8'), { code, output: `${stdout}\n${stderr}` });
  } finally {
    await keepEvidence(join(folder, RESULTS));
    await rm(folder, { recursive: true, force: true });
  }
}

/** Brings what failing tests left in the guest to where those of the host leave it. */
async function keepEvidence(results: string): Promise<void> {
  for (const name of existsSync(results) ? await readdir(results) : []) {
    const folder = evidenceFolder(`kernel-${name}`);
    await rm(folder, { recursive: true, force: true });
    await cp(join(results, name), folder, { recursive: true });
  }
}

function innerTests(
  file: string,
  report: string,
  { code, output }: { readonly code: number; readonly output: string },
): readonly Inner[] {
  const { testResults } = reportSchema.parse(JSON.parse(report));
  const tests = testResults.flatMap(({ assertionResults }) =>
    assertionResults.map(({ fullName, status, failureMessages }) => ({
      name: fullName,
      status,
      failures: failureMessages ?? [],
    })),
  );
  const failed = tests.some(({ status }) => status === 'failed');
  const ran = tests.some(({ status }) => status === 'passed');
  if (failed || (code === 0 && ran)) return tests;
  // A file that did not load or in which nothing matched, or an error nobody awaited: no run that went wrong may look green.
  return [
    ...tests,
    { name: `${relative(PROJECT, join(PROJECT, file))} as a whole`, status: 'failed', failures: [output] },
  ];
}
