import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, type RunnerTask } from 'vitest';
import { evidenceFolder } from '../../scripts/support/evidence-folder.ts';

/** Something that a failed test ran on. */
export interface Scene {
  /** What tells it from the others. */
  readonly name: string;
  /** Fills a folder, which it makes. Never rejects. */
  readonly collect: (folder: string) => Promise<void>;
}

/** What is broken fails test after test, all for one reason, so only the first few of a file leave a folder. */
const FOLDERS_PER_FILE = 3;

/**
 * Leaves a folder of evidence for every test that fails, before the test's own files clean up: vitest runs the hooks of a set-up file
 * first (`sequence.hooks` is `list`). For set-up files alone.
 */
export function leaveEvidence(scenes: () => readonly Scene[]): void {
  let left = 0;

  async function leave(task: RunnerTask, name: string): Promise<void> {
    if (task.result?.state !== 'fail' || left >= FOLDERS_PER_FILE) return;
    left += 1;
    const all = scenes();
    for (const scene of all) {
      const folder = evidenceFolder(all.length === 1 ? name : `${name}-${scene.name}`);
      rmSync(folder, { recursive: true, force: true });
      await scene.collect(folder);
      const errors = task.result.errors?.map(({ stack, message }) => stack ?? message) ?? [];
      writeFileSync(join(folder, 'failure.txt'), `${name}\n\n${errors.join('\n\n')}\n`);
      console.log(`evidence of the failure: ${folder}`);
    }
  }

  afterEach(({ task }) => leave(task, `${task.file.name}-${task.name}`));

  /** What fails outside of all tests, as a file's `beforeAll` does. */
  // biome-ignore lint/correctness/noEmptyPattern: vitest takes nothing else for fixtures of which none is used.
  afterAll(({}, { file }) => (left === 0 ? leave(file, file.name) : undefined));
}
