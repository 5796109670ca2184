import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, type RunnerTask } from 'vitest';
import { evidenceFolder } from '../../scripts/support/evidence-folder.ts';
import { clustersHere } from './clusters-here.ts';
import { collectEvidence } from './evidence.ts';

/**
 * Leaves a folder of evidence for every test of the lab that fails, before the test's own files clean up: vitest runs the hooks
 * of a set-up file first (`sequence.hooks` is `list`). A broken cluster fails test after test, all for one reason, so only the
 * first few of a file leave one.
 */
const FOLDERS_PER_FILE = 3;
let left = 0;

afterEach(({ task }) => leave(task, `${task.file.name}-${task.name}`));

/** What fails outside of all tests, as a file's `beforeAll` does. */
// biome-ignore lint/correctness/noEmptyPattern: vitest takes nothing else for fixtures of which none is used.
afterAll(({}, { file }) => (left === 0 ? leave(file, file.name) : undefined));

async function leave(task: RunnerTask, name: string): Promise<void> {
  if (task.result?.state !== 'fail' || left >= FOLDERS_PER_FILE) return;
  left += 1;
  for (const cluster of clustersHere) {
    const folder = evidenceFolder(clustersHere.size === 1 ? name : `${name}-${cluster.name}`);
    rmSync(folder, { recursive: true, force: true });
    await collectEvidence(cluster, folder);
    const errors = task.result.errors?.map(({ stack, message }) => stack ?? message) ?? [];
    writeFileSync(join(folder, 'failure.txt'), `${name}\n\n${errors.join('\n\n')}\n`);
    console.log(`evidence of the failure: ${folder}`);
  }
}
